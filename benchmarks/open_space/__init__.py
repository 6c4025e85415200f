"""Open search spaces: planted patches, and what is found of them."""
