"""The small GPT of ``examples/gpt`` with planted patches on: the same code, fewer bytes, about a second a run.

A run spends a fixed number of floating-point operations, so that its result does not depend on the load of the machine.
Needs PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import CodeType

from benchmarks.open_space.planted_set import Planted, PlantedSet, printed

_HERE = Path(__file__).parent
_SHORTER = (
    ("budget = 3e11", "budget = 4e10"),
    ("TOTAL_BATCH = 2**12", "TOTAL_BATCH = 2**10"),
    ("every = max(1, steps // 10)", "every = steps"),
    ("evaluate(model, train_text, 2**16), evaluate(model, val_text, 2**16)",
     "evaluate(model, train_text, 2**10), evaluate(model, val_text, 2**14)"),
)  # fmt: skip
PATCHES = (
    Planted("hotter", "Short trainings bear larger steps", "LR = 3e-3\n", "LR = 1e-2\n"),
    Planted("no_dropout", "One pass over the data cannot overfit", "DROPOUT = 0.1\n", "DROPOUT = 0.0\n"),
    Planted("small_batch", "Smaller batches make more steps", "TOTAL_BATCH = 2**10 ", "TOTAL_BATCH = 2**9 "),
    Planted("shallow", "One block sees more text in the same time", "DEPTH = 2\n", "DEPTH = 1\n"),
    Planted(
        "parts",
        "A batch has parts that a step could be made on",
        "# Optimisation\n",
        "# Optimisation\nPARTS = 4\n",
    ),
    Planted(
        "step_on_parts",
        "Where a batch has parts, each is worth a step",
        "    rows = max(1, TOTAL_BATCH // SEQ_LEN)\n",
        '    rows = max(1, TOTAL_BATCH // SEQ_LEN // globals().get("PARTS", 1))\n',
    ),
    Planted("wild_start", "Larger initial weights break symmetry faster", "INIT_SCALE = 1.0\n", "INIT_SCALE = 3.0\n"),
    Planted("long_warmup", "Adam needs time to learn its scales", "WARMUP_RATIO = 0.1\n", "WARMUP_RATIO = 0.8\n"),
    Planted(
        "smoothing",
        "Soft targets keep it from overconfidence",
        "        loss = functional.cross_entropy(model(x).flatten(0, 1), y.flatten())\n",
        "        loss = functional.cross_entropy(model(x).flatten(0, 1), y.flatten(), label_smoothing=0.2)\n",
    ),
    Planted(
        "other_luck",
        "A different stream of random numbers",
        "    torch.manual_seed(SEED)\n",
        "    torch.manual_seed(SEED + 1_000_003)\n",
    ),
    Planted(
        "order",
        "Other windows of the text mix better",
        "generator = torch.Generator().manual_seed(SEED)\n",
        "generator = torch.Generator().manual_seed(SEED + 7)\n",
    ),
    Planted("tidy", "Clearer code", "    budget = 4e10 ", "    budget = 40e9 "),
    Planted(
        "count",
        "It should know how far it is",
        "        optimizer.step()\n",
        "        optimizer.step()\n        seen = step * rows * SEQ_LEN\n        assert seen > 0\n",
    ),
)

TOGETHER = (("parts", "step_on_parts"),)


def execute(code: CodeType, seed: int) -> Mapping[str, float]:
    """Metrics of one run; a training that diverges has a loss of 8 bits, that of guessing."""
    names: dict[str, object] = {"__name__": "__planted__"}
    exec(code, names)
    names["SEED"] = seed % 2**31
    main = names["main"]
    assert callable(main)
    try:
        found = printed(main)
    except SystemExit:
        return {"val_bpb": 8.0}
    return found if math.isfinite(found["val_bpb"]) else {"val_bpb": 8.0}


def _base() -> bytes:
    source = (_HERE.parents[1] / "examples" / "gpt" / "train.py").read_text()
    for old, new in _SHORTER:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source.encode()


GPT = PlantedSet("gpt", "val_bpb", _base(), PATCHES, TOGETHER, execute, _HERE / "truth_gpt.json")
