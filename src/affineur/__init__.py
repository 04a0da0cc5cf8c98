"""Says, before anything is pulled, whether a container image and its registry deserve trust, why, and until when."""

__version__ = "0.1.0"
