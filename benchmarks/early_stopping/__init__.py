"""What early stopping saves on real trainings, and what it costs."""
