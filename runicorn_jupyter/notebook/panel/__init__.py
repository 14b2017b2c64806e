"""The panel in a notebook: a widget to connect, and to open viewers by clicks."""
