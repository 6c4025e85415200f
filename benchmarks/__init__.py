"""Benchmarks: one command each, seeds fixed, resumable."""
