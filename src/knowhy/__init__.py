"""knowhy: know-how is a configuration, know-why is a theory."""
