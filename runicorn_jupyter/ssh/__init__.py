"""SSH: where to connect, whom to trust, how to authenticate, and a connection that lasts."""
