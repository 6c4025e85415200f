"""Is the space open? Parameters that matter and are hidden at first, and (elsewhere) patches of code."""
