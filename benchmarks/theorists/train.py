"""A training of a fixed duration: a small loss that depends on two settings, after SECONDS of waiting."""

import os
import random
import time

STARTED = time.monotonic()

LEARNING_RATE = 0.01
DROPOUT = 0.1
SEED = 0

random.seed(SEED)
loss = (DROPOUT - 0.4) ** 2 + abs(LEARNING_RATE - 0.02) + random.gauss(0, 0.003)
time.sleep(max(0.0, float(os.environ.get("KNOWHY_BENCH_SECONDS", "5")) - (time.monotonic() - STARTED)))
print(f"val_loss: {loss}")
