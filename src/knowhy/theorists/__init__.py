"""Who proposes theories. A theorist never judges."""
