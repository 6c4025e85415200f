"""Changes of files as hunks: what combines, what it makes, and where literals go."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.subjects.repo.hunks import Hunk, change, clash, hunks, lines_of, merged, shifted, unified

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c = 1\n", b"\n", b"d\r\n", b"\xff\n"]), max_size=12).map(b"".join)
TEXTS = st.builds(lambda body, end: body + end, LINES, st.sampled_from([b"", b"last line"]))
BASE = b"".join(f"line {i}\n".encode() for i in range(12))


def edited(*changes: tuple[int, bytes]) -> bytes:
    lines = lines_of(BASE)
    for at, text in changes:
        lines[at] = text
    return b"".join(lines)


@given(TEXTS, TEXTS)
def test_hunks_turn_one_text_into_the_other(base: bytes, after: bytes) -> None:
    assert merged(base, [hunks(base, after)]) == after


@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=4), st.randoms())
@settings(max_examples=200)
def test_a_set_that_combines_in_pairs_combines_in_any_order(base: bytes, afters: list[bytes], random: object) -> None:
    sets = [hunks(base, after) for after in afters]
    if any(clash({"f": a}, {"f": b}) for a in sets for b in sets):
        return
    shuffled = list(sets)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merged(base, sets) == merged(base, shuffled)
    # every hunk is there: taking the union of the changes apart gives the same union
    assert hunks(base, merged(base, sets)) == hunks(base, merged(base, [sorted({h for s in sets for h in s})]))


def test_lines_that_touch_combine_and_lines_that_overlap_do_not() -> None:
    one, two = edited((3, b"A\n")), edited((4, b"B\n"))
    both = merged(BASE, [hunks(BASE, one), hunks(BASE, two)])
    assert both == edited((3, b"A\n"), (4, b"B\n"))
    other = edited((3, b"C\n"))
    assert clash({"f": hunks(BASE, one)}, {"f": hunks(BASE, other)}) == "f, line 4"
    assert clash({"f": hunks(BASE, one)}, {"g": hunks(BASE, other)}) == ""


def test_what_two_patches_both_do_is_done_once() -> None:
    one = edited((3, b"A\n"), (7, b"X\n"))
    two = edited((3, b"A\n"), (9, b"Y\n"))
    assert merged(BASE, [hunks(BASE, one), hunks(BASE, two)]) == edited((3, b"A\n"), (7, b"X\n"), (9, b"Y\n"))


def test_insertions_at_one_place_clash_and_a_removed_file_clashes_with_every_change() -> None:
    one = BASE.replace(b"line 5\n", b"line 5\nnew\n")
    two = BASE.replace(b"line 5\n", b"line 5\nother\n")
    assert clash({"f": hunks(BASE, one)}, {"f": hunks(BASE, two)})
    assert clash({"f": hunks(BASE, None)}, {"f": hunks(BASE, two)}) == "f"
    assert merged(BASE, [hunks(BASE, None)]) is None
    assert merged(None, [hunks(None, b"")]) == b""


@given(TEXTS, TEXTS, st.integers(0, 60))
def test_a_place_that_is_kept_is_found_again(base: bytes, after: bytes, offset: int) -> None:
    if offset >= len(base):
        return
    made = hunks(base, after)
    at = shifted(offset, 1, base, made)
    if at is not None:
        assert after[at : at + 1] == base[offset : offset + 1]


@given(TEXTS, TEXTS)
@settings(max_examples=25, deadline=None)
def test_git_reads_our_diffs_back(base: bytes, after: bytes) -> None:
    import tempfile

    if base == after:
        return
    text = unified({"a b.txt": base}, {"a b.txt": after})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a b.txt"
        path.write_bytes(base)
        data = text.encode("utf-8", "surrogateescape")
        subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=folder, input=data, check=True)
        assert path.read_bytes() == after


@pytest.mark.parametrize(("base", "after"), [(None, b"new\n"), (b"old\n", None)])
def test_git_reads_new_and_removed_files_back(base: bytes | None, after: bytes | None, tmp_path: Path) -> None:
    text = unified({"f.py": base}, {"f.py": after})
    if base is not None:
        (tmp_path / "f.py").write_bytes(base)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=text.encode(), check=True)
    assert ((tmp_path / "f.py").read_bytes() if (tmp_path / "f.py").exists() else None) == after


def test_a_change_names_only_files_that_differ() -> None:
    made = change({"a": b"1\n", "b": b"2\n"}, {"a": b"1\n", "b": b"3\n", "c": b"4\n"})
    assert made == {"b": (Hunk(0, 1, (b"3\n",)),), "c": (Hunk(0, 0, (b"4\n",)),)}
