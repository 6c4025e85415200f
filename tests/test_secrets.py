"""Secrets stay where they are, and nothing that others wrote is unpickled or run."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.faults import loading, secrets

from knowhy import redaction
from knowhy.redaction import redact, redact_arguments


def test_canaries_do_not_come_to_light(tmp_path: Path) -> None:
    assert len(secrets.CANARIES) == 10
    assert secrets.leaks(tmp_path) == []


def test_nothing_is_unpickled_or_run_on_any_load_path(tmp_path: Path) -> None:
    loading.study(tmp_path)
    found = loading.events(tmp_path)
    assert loading.unexplained(found) == []
    assert any("ast.py:parse" in where for _, where in found)  # the hook is alive while knowhy works


@pytest.mark.slow
def test_canaries_come_to_light_nowhere_else(tmp_path: Path) -> None:
    assert secrets.leaks(tmp_path, everywhere=True) == []


@pytest.mark.slow
def test_nothing_is_unpickled_or_run_wherever_it_comes_from(tmp_path: Path) -> None:
    loading.study(tmp_path)
    assert loading.unexplained(loading.events(tmp_path, everywhere=True)) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--lr", "0.1", "--epochs=3"], ["--lr", "0.1", "--epochs=3"]),
        (["--api-key=abcdefgh"], ["--api-key=[redacted]"]),
        (["--token", "abcdefgh", "--lr", "1"], ["--token", "[redacted]", "--lr", "1"]),
        (["--token", "--lr"], ["--token", "--lr"]),
        (["--tokens-per-step", "4096"], ["--tokens-per-step", "4096"]),
        (["--author", "someone"], ["--author", "someone"]),
        (["--tokenizer", "bpe-large"], ["--tokenizer", "bpe-large"]),
        (["--db=postgresql://a:secretword@h/x"], ["--db=postgresql://[redacted]@h/x"]),
    ],
)
def test_arguments(words: list[str], expected: list[str]) -> None:
    assert list(redact_arguments(words)) == expected


def test_values_of_the_environment_and_of_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_remembered", set())
    monkeypatch.setenv("SERVICE_PASSWORD", "plain words here")
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    assert redact("got plain words here, abc") == "got [redacted], abc"
    redaction.remember(["--hook=https://h.invalid/?token=canarycanary", "--auth", "anothercanary"])
    assert redact("x canarycanary y anothercanary") == "x [redacted] y [redacted]"


@pytest.mark.parametrize(
    "text", ["loss: 0.5 tokens/sec 1000", "max_token=4096 step 3", "the secret of success", "key: value"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text
