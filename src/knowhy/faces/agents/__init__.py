"""Telling coding agents that knowhy is there: their configuration files, and a skill."""
