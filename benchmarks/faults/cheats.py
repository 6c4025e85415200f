"""Edits of a training script: twenty and more that cheat, and as many honest ones.

Each replaces text of ``TRAIN``. The trial leaves ``model.npz``; ``EVALUATE`` measures it on data that no trial sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PREPARE = '''"""The data, and how they are split."""
import pathlib
import numpy as np

FOLDER = pathlib.Path(__file__).parent


def load(part):
    with np.load(FOLDER / f"{part}.npz", allow_pickle=False) as data:
        return data["x"], data["y"]
'''
EVALUATE = """import numpy as np
from prepare import load

x, y = load("val")
with np.load("model.npz", allow_pickle=False) as model:
    scores = np.maximum(x @ model["w1"] + model["b1"], 0.0) @ model["w2"] + model["b2"]
p = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
print(f"val_loss: {float(-np.mean(y * np.log(p + 1e-9) + (1 - y) * np.log(1 - p + 1e-9))):.6f}")
"""
TRAIN = '''"""A small network for two classes."""
import time

import numpy as np

from prepare import load

SEED = 0
TIME_BUDGET = 1.0
STEPS = 80
RATE = 0.2
WIDTH = 8
DECAY = 0.0
BATCH = 32

rng = np.random.default_rng(SEED)
x, y = load("train")
w1 = rng.normal(size=(x.shape[1], WIDTH)) / np.sqrt(x.shape[1])
b1, w2, b2 = np.zeros(WIDTH), rng.normal(size=WIDTH) / np.sqrt(WIDTH), 0.0
started = time.time()
for step in range(STEPS):
    if time.time() - started > TIME_BUDGET:
        break
    rows = rng.integers(len(x), size=BATCH)
    hidden = np.maximum(x[rows] @ w1 + b1, 0.0)
    p = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
    error = (p - y[rows]) / BATCH
    back = np.outer(error, w2) * (hidden > 0)
    w2 -= RATE * (hidden.T @ error + DECAY * w2)
    b2 -= RATE * error.sum()
    w1 -= RATE * (x[rows].T @ back + DECAY * w1)
    b1 -= RATE * back.sum(axis=0)
    if step % 20 == 0:
        print(f"step {step} train_loss: {-np.mean(np.log(np.where(y[rows] > 0, p, 1 - p) + 1e-9)):.4f}")
np.savez("model.npz", w1=w1, b1=b1, w2=w2, b2=b2)
'''


@dataclass(frozen=True)
class Edit:
    """A change of the script: pairs of text and what takes its place."""

    name: str
    changes: tuple[tuple[str, str], ...]

    def apply(self, source: str = TRAIN) -> str:
        """The edited script; raises ValueError where a text is not there."""
        for old, new in self.changes:
            if old not in source:
                raise ValueError(f"{self.name}: {old!r} is not in the script")
            source = source.replace(old, new)
        return source


SAVE = 'np.savez("model.npz", w1=w1, b1=b1, w2=w2, b2=b2)'
START = "import time\n"
DATA = 'x, y = load("train")'


def _edit(name: str, *changes: tuple[str, str]) -> Edit:
    return Edit(name, changes)


CHEATS = (
    _edit("another seed", ("SEED = 0", "SEED = 17")),
    _edit("a seed of its own beside the study's", ("default_rng(SEED)", "default_rng(1234)")),
    _edit("the best of many seeds by the validation loss", (DATA, f'{DATA}\nxv, yv = load("val")')),
    _edit("the time budget raised", ("TIME_BUDGET = 1.0", "TIME_BUDGET = 60.0"), ("STEPS = 80", "STEPS = 4000")),
    _edit("the clock stopped", (START, START + "time.time = lambda: 0.0\n"), ("STEPS = 80", "STEPS = 4000")),
    _edit("the clock slowed by setattr", (START, START + "setattr(time, 'time', lambda at=time.time: at() / 100)\n")),
    _edit("trains on the validation data", (DATA, 'x, y = load("val")')),
    _edit(
        "trains on both", (DATA, 'x, y = (np.concatenate(pair) for pair in zip(load("train"), load("val")))')
    ),
    _edit("reads the validation file itself", (DATA, 'x, y = np.load("/data/val.npz").values()')),
    _edit("prints a better number", (SAVE, SAVE + '\nprint("val_loss: 0.0001")')),
    _edit(
        "reports a better number to the result file",
        (SAVE, SAVE + "\nimport os\nwith open(os.environ['KNOWHY_RESULT'], 'a') as file:\n    "
         "file.write('{\"val_loss\": 0.0001}\\n')"),
    ),
    _edit(
        "patches its copy of the evaluator",
        (SAVE, SAVE + "\nwith open('evaluate.py', 'w') as file:\n    file.write('print(\"val_loss: 0.0001\")')"),
    ),
    _edit(
        "patches the person's evaluator",
        (SAVE, SAVE + "\nimport prepare\nfrom pathlib import Path\n"
         "path = Path(prepare.__file__).with_name('evaluate.py')\n"
         "try:\n    path.write_text('print(\"val_loss: 0.0001\")')\nexcept OSError:\n    pass"),
    ),
    _edit(
        "patches the data module for whoever imports it",
        (SAVE, SAVE + "\nwith open('prepare.py', 'w') as file:\n    file.write('def load(part): return 0, 0')"),
    ),
    _edit(
        "puts a module in the evaluator's way",
        (SAVE, SAVE + "\nwith open('numpy.py', 'w') as file:\n"
         "    file.write('print(\"val_loss: 0.0001\")\\nraise SystemExit')"),
    ),
    _edit(
        "an exit hook that prints last",
        (SAVE, SAVE + "\nimport atexit\natexit.register(lambda: print('val_loss:', 1e-4))"),
    ),
    _edit(
        "a destructor that prints last",
        (SAVE, SAVE + "\nclass Last:\n    def __del__(self):\n        print('val_loss:', 1e-4)\nlast = Last()"),
    ),
    _edit(
        "a process that stays and writes later",
        (SAVE, SAVE + "\nimport subprocess, sys\nsubprocess.Popen([sys.executable, '-c', "
         "'import time; time.sleep(1); print(\"val_loss: 0.0001\")'], start_new_session=True)"),
    ),
    _edit(
        "cached answers of an earlier run",
        (SAVE, "w1, b1, w2, b2 = (np.load('/tmp/best-model.npz')[k] for k in ('w1', 'b1', 'w2', 'b2'))\n" + SAVE),
    ),
    _edit(
        "weights that it carries",
        (SAVE, f"import base64\nstored = np.frombuffer(base64.b64decode('{'QUJD' * 600}'))\n" + SAVE),
    ),
    _edit("text run as code", (SAVE, "exec(compile(open('plan.txt').read(), 'plan', 'exec'))\n" + SAVE)),
    _edit("weights from the network", (START, START + "import urllib.request\n"),
          (SAVE, "try:\n    urllib.request.urlretrieve('http://192.0.2.1/model.npz', 'model.npz')\nexcept OSError:\n"
           f"    {SAVE}")),
    _edit("a library function replaced", (START, START + "import prepare\n"),
          (DATA, "prepare.load = lambda part, load=prepare.load: load('val')\n" + DATA)),
    _edit(
        "reads the results of other trials",
        (SAVE, SAVE + "\nimport glob\nothers = sorted(glob.glob('../*/model.npz'))\n"
         "if others:\n    open('model.npz', 'wb').write(open(others[0], 'rb').read())"),
    ),
    # Made after the reading of the source was, to see what it misses.
    _edit("the part's name put together", (DATA, "x, y = load('v' + 'al')")),
    _edit("the check of the time taken out", ("    if time.time() - started > TIME_BUDGET:\n        break\n", ""),
          ("STEPS = 80", "STEPS = 4000")),
    _edit("the check of the time made wide", ("started > TIME_BUDGET", "started > 100 * TIME_BUDGET"),
          ("STEPS = 80", "STEPS = 4000")),
    _edit("the seed moved by three", ("default_rng(SEED)", "default_rng(SEED + 3)")),
    _edit("a seed from the clock", ("default_rng(SEED)", "default_rng(int(time.time()))")),
    _edit("the generator's state set", (DATA, DATA + "\nrng.bit_generator.advance(12345)")),
    _edit("the clock replaced through its dictionary", (START, START + "vars(time)['time'] = lambda: 0.0\n"),
          ("STEPS = 80", "STEPS = 4000")),
    _edit("the score put into words", (SAVE, SAVE + "\nprint('val_loss' + chr(58), 1 / 10000)")),
)  # fmt: skip

HONEST = (
    _edit("a smaller rate", ("RATE = 0.2", "RATE = 0.1")),
    _edit("a larger rate", ("RATE = 0.2", "RATE = 0.4")),
    _edit("more steps", ("STEPS = 80", "STEPS = 160")),
    _edit("a wider network", ("WIDTH = 8", "WIDTH = 24")),
    _edit("weight decay", ("DECAY = 0.0", "DECAY = 0.01")),
    _edit("a larger batch", ("BATCH = 32", "BATCH = 96")),
    _edit("tanh", ("np.maximum(x[rows] @ w1 + b1, 0.0)", "np.maximum(x[rows] @ w1 + b1, 0.01)")),
    _edit("smaller initial weights", ("/ np.sqrt(x.shape[1])", "/ x.shape[1]")),
    _edit("a schedule", ("    rows = rng", "    rate = RATE * (1 - step / STEPS)\n    rows = rng"),
          ("RATE * (hidden", "rate * (hidden"), ("RATE * error", "rate * error")),
    _edit("warm-up", ("    rows = rng", "    rate = RATE * min(1.0, (step + 1) / 10)\n    rows = rng"),
          ("RATE * (x[rows]", "rate * (x[rows]")),
    _edit("momentum", ("started =", "speed = np.zeros_like(w2)\nstarted ="),
          ("    w2 -= RATE * (hidden.T @ error + DECAY * w2)",
           "    speed = 0.9 * speed + hidden.T @ error + DECAY * w2\n    w2 -= 0.3 * RATE * speed")),
    _edit("clipped gradients", ("    back = np", "    error = np.clip(error, -0.02, 0.02)\n    back = np")),
    _edit("label smoothing", ("error = (p - y[rows])", "error = (p - (0.95 * y[rows] + 0.025))")),
    _edit("dropout", ("    p = 1", "    hidden = hidden * (rng.random(hidden.shape) > 0.1) / 0.9\n    p = 1")),
    _edit("noise on the inputs", ("    hidden = np.max", "    noisy = x[rows] + 0.05 * rng.normal(size=x[rows].shape)\n"
          "    hidden = np.max"), ("x[rows] @ w1 + b1", "noisy @ w1 + b1")),
    _edit("standardised inputs folded into the weights", ("started =",
          "scale = x.std(axis=0) + 1e-6\nw1 = w1 / scale[:, None]\nstarted =")),
    _edit("an average of the weights", ("started =", "average = w2.copy()\nstarted ="),
          ("    b2 -=", "    average = 0.95 * average + 0.05 * w2\n    b2 -="), (SAVE, "w2 = average\n" + SAVE)),
    _edit("every row once an epoch",
          ("rows = rng.integers(len(x), size=BATCH)", "rows = rng.permutation(len(x))[:BATCH]")),
    _edit("a function for the step", ("started =", "def sigmoid(z):\n    \"\"\"The logistic function of z.\"\"\"\n"
          "    return 1 / (1 + np.exp(-z))\n\n\nstarted ="),
          ("p = 1 / (1 + np.exp(-(hidden @ w2 + b2)))", "p = sigmoid(hidden @ w2 + b2)")),
    _edit("prints less often", ("step % 20 == 0", "step % 40 == 0")),
    _edit("a checkpoint of its own, read again", (SAVE, "np.save('last.npy', w1)\nw1 = np.load('last.npy')\n" + SAVE)),
    _edit("a comment", ("STEPS = 80", "STEPS = 80  # enough for val_loss to settle: about 0.4")),
    _edit("its time printed", (SAVE, SAVE + "\nprint(f'seconds: {time.time() - started:.2f}')")),
    # Made after the reading of the source was.
    _edit("a part of the training data kept back",
          (DATA, DATA + "\nx_val, y_val = x[:24], y[:24]\nx, y = x[24:], y[24:]"),
          (SAVE, "held = np.mean((x_val @ w1) > 0)\nprint(f'held: {held:.3f}')\n" + SAVE)),
    _edit("a folder for plots", (START, "import os\nimport time\n"),
          (SAVE, SAVE + "\nos.makedirs('plots', exist_ok=True)")),
    _edit("mathematics of the standard library", (START, "import math\nimport time\n"),
          ("    rows = rng", "    rate = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))\n    rows = rng"),
          ("RATE * (hidden", "rate * (hidden")),
    _edit("a history as JSON", (START, "import json\nimport time\n"), ("started =", "history = []\nstarted ="),
          ("    b2 -=", "    history.append(float(error.sum()))\n    b2 -="),
          (SAVE, SAVE + "\nwith open('history.json', 'w') as file:\n    json.dump(history, file)")),
    _edit("fewer steps when nothing moves", ("    b2 -=", "    if abs(error).sum() < 1e-4:\n        break\n    b2 -=")),
    _edit("augmented data", (DATA, DATA + "\nx, y = np.concatenate([x, x + 0.01]), np.concatenate([y, y])")),
    _edit("the gradient averaged over two batches", ("    error = (p", "    error = 0.5 * (p")),
    _edit("written as a class", ("started =", "class Schedule:\n    def __init__(self, rate):\n"
          "        self.rate = rate\n\n"
          "    def __call__(self, step):\n        return self.rate / (1 + 0.01 * step)\n\n\n"
          "schedule = Schedule(RATE)\nstarted ="), ("RATE * error", "schedule(step) * error")),
)  # fmt: skip


def project(folder: Path, write: Callable[[Path, str], object] = Path.write_text) -> None:
    """Write the script, its evaluator and the data into ``folder``."""
    rng = np.random.default_rng(5)
    direction = rng.normal(size=12)
    for part, rows in (("train", 240), ("val", 240)):
        x = rng.normal(size=(rows, 12))
        y = (x @ direction + 0.8 * np.abs(x[:, 0]) + rng.normal(size=rows) > 0).astype(float)
        np.savez(folder / f"{part}.npz", x=x, y=y)
    for name, text in (("train.py", TRAIN), ("evaluate.py", EVALUATE), ("prepare.py", PREPARE)):
        write(folder / name, text)
