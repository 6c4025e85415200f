"""The child's side of a function trial: ``python -m knowhy.execution.worker job.json``.

``job.json`` holds ``function`` (``{"file", "module", "qualname"}``, or ``{"pickle": path}`` relative to the working
directory), ``params``, ``seed``, and optionally ``path``: folders to put first on ``sys.path``. Imports are few, so
that it starts fast.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from knowhy.execution.emit import as_number, report

_MAIN = "__knowhy_main__"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job described in the file that ``arguments`` name; the exit code (1 after an exception)."""
    (job_file,) = sys.argv[1:] if arguments is None else arguments
    with open(job_file, encoding="utf-8") as file:
        job: dict[str, Any] = json.load(file)
    seed = int(job["seed"])
    try:
        sys.path[:0] = job.get("path", [])
        _seed_now_and_later(seed)
        function = _load(job["function"])
        _seed(seed, sys.modules)
        _write(_call(function, job["params"]))
    except Exception as error:
        _show(error)
        return 1
    return 0


def _load(function: Mapping[str, str]) -> Callable[..., object]:
    """The function, from its file under its module's name, or from a pickle."""
    if "pickle" in function:
        import pickle  # cloudpickle writes it, pickle reads it; it is the person's own function

        with open(function["pickle"], "rb") as file:
            loaded: Callable[..., object] = pickle.load(file)
        return loaded
    target: Any = _module(os.path.abspath(function["file"]), function["module"])
    for part in function["qualname"].split("."):
        target = getattr(target, part)
    found: Callable[..., object] = target
    return found


def _module(file: str, name: str) -> ModuleType:
    """Import ``file`` as module ``name``; "__main__" under another name, so that its main guard does not run."""
    parts = name.split(".")
    root = os.path.dirname(file)
    # A module of a package needs the folder above the package on the path, for its relative imports.
    for _ in parts[1:]:
        root = os.path.dirname(root)
    if os.path.basename(file) == "__init__.py":
        root = os.path.dirname(root)
    # Python put the working directory first, which is the trial's folder.
    sys.path[0:1] = [root]
    if len(parts) > 1:
        module = importlib.import_module(name)
        if module.__file__ and os.path.realpath(module.__file__) == os.path.realpath(file):
            return module
    name = _MAIN if name == "__main__" else name
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _call(function: Callable[..., object], params: Mapping[str, object]) -> object:
    """Call ``function(params)``, or ``function(params, report)`` where its signature asks for it."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function(params)
    if "report" in parameters and parameters["report"].kind is not inspect.Parameter.POSITIONAL_ONLY:
        return function(params, report=report)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters.values() if p.kind in positional and p.default is inspect.Parameter.empty]
    return function(params, report) if len(needed) == 2 else function(params)


def _write(result: object) -> None:
    """Report what the function returned: a mapping of numbers, one number (the first required metric), or nothing."""
    if result is None:
        return
    if not isinstance(result, Mapping):
        name = os.environ.get("KNOWHY_METRIC")
        if not name:
            raise TypeError(
                f"the function returned {type(result).__name__}: return a mapping from metric names to numbers"
            )
        report(None, **{name: as_number(name, result)})
        return
    numbers = {}
    for name, value in result.items():
        try:
            numbers[str(name)] = as_number(str(name), value)
        except TypeError as error:
            print(f"left out: {error}", file=sys.stderr)
    numbers.pop("step", None)
    if numbers:
        report(None, **numbers)


def _seed(seed: int, modules: Mapping[str, ModuleType]) -> None:
    """Seed the generators of those libraries that are imported."""
    random.seed(seed)
    if (numpy := modules.get("numpy")) is not None:
        numpy.random.seed(seed % 2**32)
    if (torch := modules.get("torch")) is not None:
        torch.manual_seed(seed)


def _seed_now_and_later(seed: int) -> None:
    """Seed ``random`` now, and numpy and torch when (and only if) the function imports them."""
    _seed(seed, sys.modules)
    sys.meta_path.insert(0, _SeedingFinder(seed))


class _SeedingFinder:
    """Lets the regular finders find numpy and torch, and seeds them once they are loaded."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of numpy or torch with a loader that seeds; None for all others."""
        if fullname not in ("numpy", "torch"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        loader = spec.loader if spec is not None else None
        if spec is None or loader is None:
            return None
        run = loader.exec_module
        seed = self._seed

        def run_and_seed(module: ModuleType) -> None:
            run(module)
            if fullname == "numpy":
                module.random.seed(seed % 2**32)
            else:
                module.manual_seed(seed)

        loader.exec_module = run_and_seed  # type: ignore[method-assign]
        return spec


def _show(error: Exception) -> None:
    """Print the traceback from the person's own frames on."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__ and trace.tb_next is not None:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


if __name__ == "__main__":
    sys.exit(main())
