"""Journals of real studies, as this version wrote them: one that ended, one that was cut off while two trials ran.

They stay as they are. ``python tests/journals/study_v1.py`` made them; a later version makes new ones beside them.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import knowhy
from knowhy.journal import SqliteJournal
from knowhy.model.trial import Running

HOME = Path(__file__).parent
SCRIPT = """\
import os, random, sys, time
LEARNING_RATE = 0.01
DROPOUT = 0.1
MODE = "plain"
random.seed(0)
if LEARNING_RATE > 0.5:
    sys.exit("too large a step")
for step in range(1, 4):
    print(f"step {step} val_loss: {(LEARNING_RATE - 0.05) ** 2 + DROPOUT / 10 + 1 / step + random.random() / 100:.5f}")
    time.sleep(PAUSE)
"""


def write() -> None:
    """Make both journals anew."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, pause in (("ended", 0.0), ("cut-off", 0.3)):
            (home / "train.py").write_text(SCRIPT.replace("PAUSE", str(pause)))
            strategy = "theory" if name == "ended" else "random"
            code = f"import knowhy; knowhy.Study({name!r}).run('train.py', trials=9, strategy={strategy!r})"
            run = subprocess.Popen([sys.executable, "-c", code], cwd=home, env=os.environ)
            if name == "cut-off":
                while True:
                    state = knowhy.Study(name, folder=home / ".knowhy").state
                    if state.finished >= 3 and sum(isinstance(t, Running) for t in state.pending) == 2:
                        break
                    time.sleep(0.02)
                run.send_signal(signal.SIGKILL)
            run.wait()
            with SqliteJournal(home / ".knowhy" / name / "journal.db", wal=False) as journal:
                list(journal.read())
            with closing(sqlite3.connect(home / ".knowhy" / name / "journal.db")) as connection, connection:
                connection.execute("UPDATE lease SET host = 'elsewhere', heartbeat = heartbeat - 1e6")  # long ago
            (HOME / f"{name}_v1.db").write_bytes((home / ".knowhy" / name / "journal.db").read_bytes())


if __name__ == "__main__":
    write()
