"""Open search spaces: parameters that are hidden at first, planted patches, and what is found of them."""
