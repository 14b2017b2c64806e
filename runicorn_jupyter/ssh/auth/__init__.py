"""Authenticates a user: keys, agents, certificates, passwords and codes."""
