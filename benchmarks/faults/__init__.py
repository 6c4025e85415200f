"""Fault tests with numbers: one promise each, full or short; see ``python -m benchmarks.faults --help``."""
