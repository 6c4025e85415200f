"""Where jobs run, and how their output is read."""
