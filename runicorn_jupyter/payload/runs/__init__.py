"""The runs on the remote's disk, and what changed of them."""
