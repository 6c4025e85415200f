"""Histories: trials that others ran, read from their files into plain records, and written the other way."""
