"""A Python function as the subject: each trial calls it in a process of its own."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from knowhy.errors import StorageError, SubjectError, can_pass
from knowhy.model.job import Job
from knowhy.model.space import Scalar
from knowhy.model.trial import Proposal
from knowhy.subjects.surroundings import LOG, RESULT, environment

_SIGNATURE_HINT = "write it as train(params) or train(params, report), returning a mapping of metrics or a number"


class FunctionSubject:
    """A function ``train(params)`` or ``train(params, report)`` that returns metrics, or one number.

    The child process imports it from its file where that is possible without running a study again,
    and gets it pickled otherwise (lambdas, closures, notebooks). ``timeout`` is in seconds, ``memory``
    in bytes; None is no limit. Raises SubjectError for what cannot be called like this, or sent.
    """

    def __init__(
        self, function: Callable[..., Any], *, timeout: float | None = None, memory: int | None = None
    ) -> None:
        """Check the signature and find out how a child process gets the function."""
        _check(function)
        self.function = function
        self.timeout = timeout
        self.memory = memory
        self._file = _importable(function)
        self._pickle = b"" if self._file else _pickled(function)

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """Write ``job.json`` (and the pickle) for ``proposal`` into ``folder``; raises SubjectError, StorageError."""
        target = Path(folder).absolute()
        how: dict[str, str] = {"pickle": "function.pkl"}
        if self._file:
            how = {"file": self._file, "module": self.function.__module__, "qualname": self.function.__qualname__}
        job = {"function": how, "params": dict(proposal.point), "seed": proposal.seed}
        try:
            target.mkdir(parents=True, exist_ok=True)
            if self._pickle:
                (target / "function.pkl").write_bytes(self._pickle)
            (target / "job.json").write_text(json.dumps(job, allow_nan=False), encoding="utf-8")
        except OSError as error:
            what = f"cannot lay out trial {proposal.trial} in {folder}: {error.strerror or error}"
            if can_pass(error):
                raise StorageError(what, "free space or permissions; the same command goes on") from None
            raise SubjectError(what, "see that the files beside the script can be read and copied") from None
        except (TypeError, ValueError) as error:
            raise SubjectError(
                f"trial {proposal.trial} has a value that JSON cannot hold: {error}",
                "use finite numbers, booleans and strings",
            ) from None
        return Job(
            trial=proposal.trial,
            argv=(sys.executable, "-m", "knowhy.execution.worker", "job.json"),
            folder=str(target),
            result_path=str(target / RESULT),
            log_path=str(target / LOG),
            required=tuple(required),
            env=environment(proposal, target, self._search_path()),
            timeout=self.timeout,
            memory=self.memory,
        )

    def describe(self) -> Mapping[str, Scalar]:
        """What is experimented on: kind, name, file, and the SHA-256 of the function's source (or pickle)."""
        try:
            code = inspect.getsource(self.function).encode()
        except (OSError, TypeError):
            code = self._pickle
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return {
            "kind": "function",
            "name": str(name),
            "path": self._file,
            "sha256": hashlib.sha256(code).hexdigest(),
        }

    def _search_path(self) -> list[str]:
        """Folders from which this process imports, installed packages aside, so that the child finds the same."""
        own = [str(Path(self._file).parent)] if self._file else []
        installed = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix)}
        for entry in (os.path.abspath(p) for p in sys.path):
            path = Path(entry).resolve()
            if os.path.isdir(entry) and not installed & {path, *path.parents}:
                own.append(entry)
        return list(dict.fromkeys((*own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))))


def _check(function: object) -> None:
    """Refuse what cannot be called as ``f(params)`` or ``f(params, report)``."""
    if not callable(function):
        raise SubjectError(f"{function!r} is not a function", _SIGNATURE_HINT)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise SubjectError(f"{_name(function)} is asynchronous or a generator", _SIGNATURE_HINT)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise SubjectError(
            f"the signature of {_name(function)} cannot be read", "wrap it: def train(params): ..."
        ) from None
    for count in (1, 2):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return
    raise SubjectError(
        f"{_name(function)}{signature} cannot be called with params, or with params and report", _SIGNATURE_HINT
    )


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _importable(function: Callable[..., Any]) -> str:
    """The file from which a child can import ``function``, or "" where it has to be pickled."""
    if not isinstance(function, types.FunctionType) or not function.__qualname__.isidentifier():
        return ""
    module = sys.modules.get(function.__module__)
    if getattr(module, function.__qualname__, None) is not function:
        return ""
    file = getattr(module, "__file__", None) or ""
    if not file.endswith(".py") or not os.path.isfile(file):
        return ""
    if function.__module__ == "__main__" and _needs_main(file, function):
        return ""
    return os.path.abspath(file)


def _needs_main(file: str, function: types.FunctionType) -> bool:
    """Whether a child that imports the script would lack the function or what it uses, or begin the study once more.

    The first happens to what is bound under ``if __name__ == "__main__":``, the second where the function is used
    outside of it.
    """
    try:
        tree = ast.parse(Path(file).read_bytes(), file)
    except (OSError, SyntaxError, ValueError):
        return True
    name = function.__qualname__
    defined = {s.name for s in tree.body if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef))}
    if name not in defined:
        return True
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        guarded = isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)
        wanted = set(function.__code__.co_names) if guarded else {name, *defined}
        for node in ast.walk(statement):
            if guarded and _binds(node) & wanted:
                return True
            if not guarded and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in wanted:
                return True
    return False


def _binds(node: ast.AST) -> set[str]:
    """The names that this node alone gives a value to."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return set()


def _pickled(function: Callable[..., Any]) -> bytes:
    try:
        return bytes(cloudpickle.dumps(function))
    except Exception as error:  # pickling runs code of the objects that the function refers to
        raise SubjectError(
            f"{_name(function)} cannot be sent to a process of its own: {error}",
            "define it at the top level of a file, and open files, locks and connections inside it",
        ) from None
