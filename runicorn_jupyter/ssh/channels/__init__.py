"""What runs over one SSH connection: commands, and streams to the remote's ports."""
