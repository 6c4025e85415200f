"""A language model as a theorist: it proposes, it never judges. ``client`` alone imports the LLM library."""
