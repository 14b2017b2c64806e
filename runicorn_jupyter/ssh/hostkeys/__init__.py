"""Verifies the server's host key as OpenSSH does."""
