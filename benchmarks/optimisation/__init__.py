"""Optimisation: how good is the configuration that a study of so many trials ends with, against classic optimisers."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when NumPy is first imported: one core a study
