"""Us and our peers, side by side in one run: ``make bench``. One module a question."""
