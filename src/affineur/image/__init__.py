"""One image from any source."""
