"""Scripted theorists behind a real protocol: what a good, a useless, a misleading and a slow one do to a study."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when NumPy is first imported: one core a study
