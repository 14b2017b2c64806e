"""The reverse proxy from browsers to remote viewers, for HTTP and WebSockets."""
