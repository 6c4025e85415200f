"""The faces: command line, and what else people and programs use."""
