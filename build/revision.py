"""The commit that is built: its name, its time, and what the tree has besides. Knows git and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent


def commit() -> str:
    """The name of the commit; empty outside a checkout, and where git is missing or does not trust its owner."""
    return _git("rev-parse", "HEAD").strip()


def moment() -> int:
    """Seconds since 1970 that every time stamp of a build says: SOURCE_DATE_EPOCH, else the commit's time."""
    said = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct").strip()
    return int(said or 315532800)  # 1980, the earliest that a zip can say


def unsaved() -> list[str]:
    """Files that are not as the commit has them, one `git status` line each."""
    return _git("status", "--porcelain").splitlines()


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
