"""The one folder where the program keeps what people said, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

VARIABLE: Final = "MIND_IN_A_BOX_HOME"
_NAME: Final = "mind-in-a-box"


def home() -> Path:
    """The folder of conversations, line history and the error log; it may not exist yet.

    MIND_IN_A_BOX_HOME if set; else %APPDATA%, ~/Library/Application Support or $XDG_DATA_HOME (~/.local/share).
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    try:
        user = Path.home()
    except RuntimeError:  # no HOME, and no such user: a container, a service
        user = Path.cwd()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or user / "AppData" / "Roaming") / _NAME
    if sys.platform == "darwin":
        return user / "Library" / "Application Support" / _NAME
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else user / ".local" / "share") / _NAME


def conversations() -> Path:
    """Where conversations are kept."""
    return home() / "conversations"
