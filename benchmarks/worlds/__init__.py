"""Planted worlds: synthetic trainings whose mechanism is known, to see whether a study finds it."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when NumPy is first imported: one core a study
