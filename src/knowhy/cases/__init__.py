"""What people do with a study: run it, ask it, certify, compare, import, export, patch, open parameters."""
