"""``python -m benchmarks.faults NAME``: what goes wrong on purpose, in full; see README.md."""

from __future__ import annotations

import importlib
import sys

NAMES = ("sandbox", "scripts", "output", "integrity", "secrets", "loading")


def main() -> int:
    """Run what is named; the exit code says whether every promise held."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        print(f"usage: python -m benchmarks.faults {'|'.join(NAMES)}", file=sys.stderr)
        return 2
    chosen = importlib.import_module(f"benchmarks.faults.{sys.argv[1]}")
    return int(chosen.main())


if __name__ == "__main__":
    sys.exit(main())
