"""One assessment, one file per format."""
