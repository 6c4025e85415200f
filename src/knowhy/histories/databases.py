"""SQLite files of others, opened so that nothing in them can change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from knowhy.errors import UsageError


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to the file at ``path``; raises UsageError where it is damaged."""
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=5.0)
        ) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection
    except sqlite3.Error as error:
        raise UsageError(
            f"{path} cannot be read as an SQLite file: {error}",
            "it may be cut off or in use: copy it again from where it came, or wait",
        ) from None


def tables_in(path: Path) -> set[str]:
    """The names of the tables in the SQLite file at ``path``."""
    with opened(path) as connection:
        return {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
