"""One file per command; all thin."""
