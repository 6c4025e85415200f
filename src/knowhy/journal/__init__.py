"""Journals: append-only events on disk."""
