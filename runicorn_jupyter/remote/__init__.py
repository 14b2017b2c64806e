"""What runs on the other side, and this side's knowledge of it."""
