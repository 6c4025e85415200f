"""What every trial finds in its environment and its folder, whatever is studied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from knowhy.model.trial import Proposal

RESULT = "knowhy-result.jsonl"
LOG = "knowhy-log.txt"


def environment(proposal: Proposal, folder: Path, search: Iterable[str]) -> Mapping[str, str]:
    """The variables of the trial ``proposal`` in ``folder``: its number and seed, where its metrics go.

    Python looks for modules in ``search``, in this order; "" is left out.
    """
    return {
        "KNOWHY_RESULT": str(folder / RESULT),
        "KNOWHY_SEED": str(proposal.seed),
        "KNOWHY_TRIAL": str(proposal.trial),
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
        "PYTHONUNBUFFERED": "1",
    }
