"""Connections over a master of the user's own ssh (``ControlPath``): OpenSSH's multiplexing, version 4."""
