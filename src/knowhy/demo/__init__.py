"""The demo: a small, real training script that ``knowhy demo`` studies; it imports nothing of knowhy."""

from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).with_name("train.py")
"""The script that the demo copies into its folder and studies."""
