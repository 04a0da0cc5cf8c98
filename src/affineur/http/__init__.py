"""One HTTP client for all, under limits."""
