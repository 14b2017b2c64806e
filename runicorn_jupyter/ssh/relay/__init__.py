"""Carries streams over one command's stdio, where the server refuses to forward ports."""
