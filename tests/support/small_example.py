"""A small image and a repository of our own making, for machines that cannot make a real root."""
