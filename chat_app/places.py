"""The one folder where the program keeps what people said, and nothing else; and where it does until it can."""

from __future__ import annotations

import errno
import os
import stat
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


def shelter() -> Path:
    """A folder of this person alone among the system's temporary ones, made where it is not there.

    OSError where there is none to be had: whoever came first may have made it for all to read.
    """
    import tempfile  # not before it is needed: every start reads this module before its first line

    if sys.platform == "win32":  # there they are each person's own
        path = Path(tempfile.gettempdir()) / _NAME
        path.mkdir(parents=True, exist_ok=True)
        return path
    path = Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return path
