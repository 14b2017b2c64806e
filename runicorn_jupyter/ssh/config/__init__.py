"""What the ssh configuration says about a host, and which hosts may be reached."""
