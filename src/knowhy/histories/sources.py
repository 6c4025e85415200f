"""Which reader a path is for; only the one that is needed is imported."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from knowhy.errors import UsageError
from knowhy.histories.databases import tables_in
from knowhy.histories.history import History, Request, identified

KINDS = ("optuna", "csv", "jsonl", "mlflow", "wandb", "results.tsv")
"""What is recognised, besides the journals of knowhy's own studies."""

Reader = Callable[[Path, Request], History]

_READERS = {
    "optuna": ("knowhy.histories.optuna_storage", "read_optuna"),
    "csv": ("knowhy.histories.tables", "read_csv"),
    "jsonl": ("knowhy.histories.tables", "read_jsonl"),
    "mlflow": ("knowhy.histories.mlflow_store", "read_mlflow"),
    "mlflow database": ("knowhy.histories.mlflow_database", "read_mlflow_database"),
    "wandb": ("knowhy.histories.wandb_runs", "read_wandb"),
}


def path_of(source: str) -> Path:
    """The path that ``source`` names: a path, or an ``sqlite:///`` URL; raises UsageError."""
    scheme, mark, rest = source.partition("://")
    if not mark:
        return Path(source)
    if scheme.split("+")[0] == "sqlite" and rest.startswith("/"):
        return Path(rest[1:].partition("?")[0])
    if scheme == "file":
        return Path(rest)
    raise UsageError(
        f"{scheme}:// storages are not read",
        "copy the study to a file first, in Python: optuna.copy_study(from_study_name=..., from_storage=..., "
        'to_storage="sqlite:///copy.db")',
    )


def kind_of(path: Path) -> str:
    """What stands at ``path``: one of ``KINDS``, "mlflow database" or "knowhy"; raises UsageError."""
    if not path.exists():
        raise UsageError(f"there is nothing at {path}", "check the path")
    if path.is_dir():
        return _kind_of_folder(path)
    if not path.is_file():
        raise UsageError(f"{path} is neither a file nor a folder", "give the path of a history")
    with path.open("rb") as file:
        head = file.read(65536)
    if not head.strip():
        raise UsageError(f"{path} is empty", "check the path")
    if head.startswith(b"SQLite format 3\0"):
        return _kind_of_database(path)
    if path.suffix == ".wandb" or head.startswith(b":W&B"):
        return "wandb"
    if path.name == "results.tsv" or (path.suffix == ".tsv" and head.lower().startswith(b"commit\t")):
        return "results.tsv"
    if path.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    first = head.lstrip(b"\xef\xbb\xbf \r\n\t").split(b"\n", 1)[0]
    if first[:1] in (b"{", b"["):
        return "optuna" if _is_journal(first) else "jsonl"
    if first.count(b",") or first.count(b"\t") or first.count(b";"):
        return "csv"
    raise UsageError(
        f"{path} is none of what can be read",
        "it takes an Optuna storage, CSV, JSON lines, an MLflow store, W&B runs, a results.tsv, or a study of knowhy's",
    )


def _is_journal(first: bytes) -> bool:
    try:
        entry = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and "op_code" in entry and "worker_id" in entry


def _kind_of_folder(path: Path) -> str:
    if (path / "journal.db").is_file():
        return "knowhy"
    if any(path.glob("*.wandb")) or any(path.glob("*run-*/*.wandb")):
        return "wandb"
    if any(path.glob("meta.yaml")) or any(path.glob("*/meta.yaml")) or any(path.glob("*/*/meta.yaml")):
        return "mlflow"
    if (path / "mlruns").is_dir():
        return "mlflow"
    if (path / "wandb").is_dir():
        return "wandb"
    if (path / "results.tsv").is_file():
        return "results.tsv"
    raise UsageError(
        f"the folder {path} holds no history that can be read",
        "give an MLflow store (mlruns), a folder of W&B runs, or the folder of a study of knowhy's",
    )


def _kind_of_database(path: Path) -> str:
    tables = tables_in(path)
    if {"studies", "trials"} <= tables:
        return "optuna"
    if {"experiments", "runs"} <= tables:
        return "mlflow database"
    if {"records", "lease"} <= tables:
        return "knowhy"
    raise UsageError(
        f"{path} is an SQLite file, but neither of Optuna, nor of MLflow, nor of knowhy",
        f"its tables are: {', '.join(sorted(tables)[:10]) or 'none'}",
    )


def read(path: Path, kind: str, request: Request) -> History:
    """The history at ``path``, with a key for each trial; raises UsageError."""
    module, name = _READERS[kind]
    reader = cast(Reader, getattr(import_module(module), name))
    return identified(reader(path, request))
