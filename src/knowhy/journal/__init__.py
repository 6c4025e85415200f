"""Journals: append-only events, on disk or in memory, and the means to check and save them."""

from knowhy.journal.doctor import Report, check, recover, restore
from knowhy.journal.memory import MemoryJournal
from knowhy.journal.sqlite import SqliteJournal

__all__ = ["MemoryJournal", "Report", "SqliteJournal", "check", "recover", "restore"]
