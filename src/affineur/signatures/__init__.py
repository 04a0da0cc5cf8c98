"""Who vouches for an image: attestations that are made here. No I/O: callers bring keys as bytes, and dates."""
