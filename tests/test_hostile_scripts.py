"""Scripts that will not end, will not be quiet, or take too much; ``python -m benchmarks.faults scripts`` runs all."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.faults import scripts

from knowhy.execution.sandbox import Bubblewrap, check

SHORT = {
    "ignores SIGTERM",
    "calls setsid and closes everything",
    "leaves children that hold its pipes",
    "starts itself again when it is asked to end",
    "crashes with SIGSEGV",
    "eats memory in children",
    "fills the disk",
    "writes a result without end",
    "makes its result a pipe",
    "stops its keeper",
}


def test_there_are_enough_of_them() -> None:
    assert len(scripts.SCRIPTS) >= 15
    assert {s.name for s in scripts.SCRIPTS} > SHORT


@pytest.mark.parametrize("script", [s for s in scripts.SCRIPTS if s.name in SHORT], ids=lambda s: s.name)
def test_the_slot_comes_free_and_nothing_is_left(script: scripts.Script, tmp_path: Path) -> None:
    result = scripts.run(script, tmp_path)
    result_problems = [p for p in result.problems if "controller" not in p]  # pytest itself is in this process
    assert result_problems == []


@pytest.mark.skipif(bool(check(Bubblewrap()).problem), reason="bubblewrap does not work here")
@pytest.mark.parametrize("name", ["forks as fast as it can", "kills its keeper", "calls setsid and closes everything"])
def test_in_a_sandbox_too(name: str, tmp_path: Path) -> None:
    script = next(s for s in scripts.SCRIPTS if s.name == name)
    result = scripts.run(script, tmp_path, Bubblewrap())
    assert [p for p in result.problems if "controller" not in p] == []
