"""Magics, panel and display for notebooks; talks to the server through the client only."""
