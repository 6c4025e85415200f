"""Classic hyperparameter optimisation strategies."""
