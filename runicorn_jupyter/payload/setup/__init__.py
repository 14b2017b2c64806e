"""Makes and removes the private environment with runicorn on the remote. Runs there, Python >= 3.8."""
