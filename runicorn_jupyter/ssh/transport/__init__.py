"""The SSH transport over TCP, a jump host or a ProxyCommand, for an event loop."""
