"""Errors, named by what the caller should do.

KnowhyError
├── UsageError            change the call: an argument, a file or a sentence is wrong
│   ├── SettingsError     correct knowhy.toml, the environment or the option named
│   ├── SpaceError        correct the parameter or its range
│   ├── MetricError       name a metric that the subject reports
│   ├── SubjectError      correct the script or function under study
│   │   └── PatchError    correct the patch: it does not apply, or may not change what it changes
│   ├── SandboxError      install a sandbox, or allow what was asked for to run without one
│   └── SentenceError     rewrite the claim; ``nearest`` holds one that parses
├── StudyError            choose another study, or wait
│   ├── StudyMissingError    start one with ``knowhy init`` or ``knowhy run SCRIPT``
│   ├── StudyMismatchError   the study exists with another space or objective
│   └── StudyLockedError     another process is running it
└── JournalError          look after the storage
    ├── JournalDamagedError  the hash chain is broken: ``knowhy doctor`` says where
    ├── JournalFormatError   written by a newer knowhy: upgrade
    └── JournalWriteError    not written (disk full, read-only): free space, run again

Every error carries a ``hint``: the one thing to do next.
"""

from __future__ import annotations


class KnowhyError(Exception):
    """Base of all errors that knowhy raises on purpose; catch it to show ``message`` and ``hint``."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep what went wrong (``message``) and what to do next (``hint``)."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KnowhyError):
    """Change the call."""


class SettingsError(UsageError):
    """Correct the setting that the message names."""


class SpaceError(UsageError):
    """Correct the parameter, its range or its value."""


class MetricError(UsageError):
    """Name a metric that the subject reports."""


class SubjectError(UsageError):
    """Correct the script or function under study."""


class PatchError(SubjectError):
    """Correct the patch: it does not apply, cannot be combined, or changes what it may not change."""


class SandboxError(UsageError):
    """Install a sandbox, or allow what was asked for to run without one."""


class SentenceError(UsageError):
    """Rewrite the claim; ``nearest`` is a sentence that parses, or empty."""

    def __init__(self, message: str, hint: str = "", nearest: str = "") -> None:
        """Keep the nearest sentence that parses beside the message."""
        super().__init__(message, hint)
        self.nearest = nearest


class StudyError(KnowhyError):
    """Choose another study, or wait."""


class StudyMissingError(StudyError):
    """Start a study first."""


class StudyMismatchError(StudyError):
    """Use another study name, or the settings that the study was made with."""


class StudyLockedError(StudyError):
    """Wait for the process that holds the study, or stop it."""


class JournalError(KnowhyError):
    """Look after the storage."""


class JournalDamagedError(JournalError):
    """Run ``knowhy doctor``; nothing is appended to a damaged journal."""


class JournalFormatError(JournalError):
    """Upgrade knowhy: the journal was written by a newer version."""


class JournalWriteError(JournalError):
    """Free space or permissions, then run again; everything acknowledged is kept."""
