"""Values of the OCI specifications; no I/O."""
