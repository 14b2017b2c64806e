"""Makes and removes the private environment with runicorn on a remote: this side of it."""
