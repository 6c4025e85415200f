"""A repository as the subject: patches and literals as parameters, each trial in a worktree of its own."""
