"""What updates fix."""
