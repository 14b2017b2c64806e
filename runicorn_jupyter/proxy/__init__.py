"""The way from the browser to a remote viewer: HTTP and WebSockets, sandboxed."""
