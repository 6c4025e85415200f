"""The nouns of knowhy: frozen data, and the fold that turns events into state."""
