"""What the routes do, without HTTP; the only thing that ``api`` calls."""
