"""Container engines on this machine: which are there, and how each takes an image by its digest."""
