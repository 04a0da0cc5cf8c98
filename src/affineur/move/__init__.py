"""Moving images: blobs before manifests, children before parents, the tag last."""
