"""Which files a theorist may read: the source under study and its neighbours, and nothing else."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = frozenset({".py", ".toml", ".json", ".yaml", ".yml", ".md", ".txt", ".cfg", ".ini"})
_LARGEST = 400_000
_MOST_FILES = 200
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv", "site-packages", "build", "dist"})
_PRIVATE = ("secret", "credential", "token", "password", "id_rsa", ".pem", ".key")


class Scope:
    """The folder of the script under study: text files in it and below that are neither hidden nor private."""

    def __init__(self, path: str) -> None:
        """Everything is relative to the folder of ``path`` ("" is nothing at all)."""
        self._script = Path(path) if path else None
        self._root = self._script.resolve().parent if self._script is not None else None

    @property
    def script(self) -> str:
        """The name of the script, relative to the scope; empty where there is none."""
        return self._script.name if self._script is not None else ""

    def files(self) -> tuple[str, ...]:
        """Names of the files that may be read, the script first (at most 200)."""
        if self._root is None:
            return ()
        found: list[str] = []
        folders = [self._root]
        while folders and len(found) < _MOST_FILES:
            folder = folders.pop(0)
            try:
                members = sorted(folder.iterdir())
            except OSError:
                continue
            for member in members:
                if member.is_symlink() or member.name.startswith(".") or member.name.lower() in _SKIPPED:
                    continue
                if member.is_dir() and len(member.relative_to(self._root).parts) <= 3:
                    folders.append(member)
                elif self._allowed(member):
                    found.append(member.relative_to(self._root).as_posix())
        return tuple(sorted(found[:_MOST_FILES], key=lambda name: (name != self.script, name)))

    def read(self, name: str) -> str | None:
        """The text of the file called ``name``; None where it is not in scope or is no text."""
        if self._root is None or not name or "\0" in name or len(name) > 300:
            return None
        path = self._root / name
        try:
            real = path.resolve(strict=True)
            inside = real.relative_to(self._root)
            lexical = path.absolute().relative_to(self._root)
        except (OSError, ValueError, RuntimeError):
            return None
        hidden = any(part.startswith(".") or part.lower() in _SKIPPED for part in inside.parts)
        if hidden or ".." in Path(name).parts or inside != lexical or not self._allowed(real):
            return None
        try:
            return real.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _allowed(self, path: Path) -> bool:
        name = path.name.lower()
        try:
            return (
                path.suffix.lower() in _SUFFIXES
                and not any(word in name for word in _PRIVATE)
                and path.is_file()
                and path.stat().st_size <= _LARGEST
            )
        except OSError:
            return False
