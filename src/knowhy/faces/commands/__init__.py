"""The commands, a module for each reason to use one."""
