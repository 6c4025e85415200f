"""What a promise of the harness is, and what its rounds amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.studies import Result


@dataclass(frozen=True)
class Round:
    """One round of a promise: its number seeds whatever is random in it."""

    promise: str
    number: int

    @property
    def name(self) -> str:
        """A file name for its result."""
        return f"{self.promise}-{self.number:04d}"


@dataclass(frozen=True)
class Promise:
    """A promise and its fault test.

    ``perform`` runs one round and returns counts (JSON numbers) and ``notes`` (a list of what went wrong, in words).
    ``full`` and ``short`` are how many rounds the two forms have. ``bar`` says of the summed counts whether the promise
    is kept, ``wanted`` says the same in words.
    """

    name: str
    wanted: str
    perform: Callable[[Round], Result]
    full: int
    short: int
    bar: Callable[[Mapping[str, float]], bool]


def total(results: Sequence[Result]) -> dict[str, float]:
    """The counts of all rounds; names that start with "most_" are maxima, all others sums."""
    counts: Counter[str] = Counter()
    most: dict[str, float] = {}
    for result in results:
        for name, value in result.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            if name.startswith("most_"):
                most[name] = max(most.get(name, float("-inf")), value)
            else:
                counts[name] += value  # type: ignore[assignment]
    counts.pop("seconds", None)
    return {**counts, **most}


def row(promise: Promise, results: Sequence[Result], broken: int) -> dict[str, object]:
    """One line of the table, as data."""
    counts = total(results)
    notes = [text for result in results for text in _texts(result.get("notes"))]
    return {
        "promise": promise.name,
        "wanted": promise.wanted,
        "rounds": len(results),
        "of": promise.full,
        "kept": bool(results) and not broken and promise.bar(counts),
        "broken": broken,
        "counts": counts,
        "notes": notes[:20],
    }


def _texts(notes: object) -> list[str]:
    return [str(text) for text in notes] if isinstance(notes, list) else []


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Markdown: a row for each promise, what went wrong below."""
    lines = ["| promise | bar | rounds | what was counted | kept |", "| --- | --- | --- | --- | --- |"]
    for r in rows:
        counts = r["counts"]
        assert isinstance(counts, dict)
        told = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in counts.items())
        kept = "yes" if r["kept"] else "**no**"
        lines.append(f"| {r['promise']} | {r['wanted']} | {r['rounds']} of {r['of']} | {told} | {kept} |")
    lines += [f"\n{r['promise']}: {text}" for r in rows for text in _texts(r["notes"])]
    return "\n".join(lines) + "\n"
