"""A study as a set of tools for coding agents, over the Model Context Protocol (extra ``mcp``)."""
