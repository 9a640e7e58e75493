"""Tidiness of a one-file box: it ends when its outer process does, and clears away what killed boxes left behind.

Knows processes and temporary folders; knows nothing of minds. A box in a folder and the sources need none of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO, Final

MARKER: Final = "mind-in-a-box.alive"  # build/contents.py puts it, empty, into every box
_UNPACKED: Final = re.compile(r"_MEI\w+|mind-in-a-box-\d+-[\d_]+")  # PyInstaller's name, and build/pack_nuitka.py's
_POLL: Final = 0.5  # seconds
_AFTER_PROMPT: Final = 2.0  # seconds
_STILL_STARTING: Final = 3600.0  # seconds that an unpacked folder may wait for its program to run


def start() -> None:
    """Watch and sweep in the background. Does nothing unless this is a one-file box."""
    if not is_one_file():
        return
    folder = _folder()
    try:
        marker = (folder / MARKER).open("r+b")
    except OSError:
        return
    if _lock(marker):
        marker.write(str(os.getpid()).encode())
        marker.flush()
    threading.Thread(target=_watch, args=(folder, os.getppid(), marker), name="watch", daemon=True).start()
    threading.Thread(target=_sweep, args=(folder,), name="sweep", daemon=True).start()


def is_one_file() -> bool:
    """Whether this is a one-file box: an outer process that unpacked it, and this one."""
    frozen = getattr(sys, "frozen", False) or "__compiled__" in globals()
    return bool(frozen and _UNPACKED.fullmatch(_folder().name))


def _folder() -> Path:
    return Path(__file__).resolve().parent.parent


def _lock(marker: BinaryIO) -> bool:
    """Hold the marker for as long as this process lives, however it ends; False where another does."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(marker.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _watch(folder: Path, parent: int, _marker: BinaryIO) -> None:
    """End with the outer process, which would have removed the folder had it not been killed.

    `_marker` is passed so that it stays open, and locked, until then.
    """
    _wait_for(parent)
    _remove(folder)
    os._exit(1)


def _wait_for(parent: int) -> None:
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.OpenProcess(0x00100000, False, parent))  # SYNCHRONIZE
        kernel.WaitForSingleObject(handle, 0xFFFFFFFF)  # INFINITE
    else:
        while os.getppid() == parent:
            time.sleep(_POLL)


def _sweep(own: Path) -> None:
    """Remove the folders of boxes that were killed."""
    time.sleep(_AFTER_PROMPT)
    with contextlib.suppress(OSError):
        for folder in own.parent.iterdir():
            if folder != own and _UNPACKED.fullmatch(folder.name) and _is_abandoned(folder):
                _remove(folder)


def _is_abandoned(folder: Path) -> bool:
    """Whether a box of this user unpacked here, and no process holds its marker."""
    try:
        if folder.is_symlink() or (sys.platform != "win32" and folder.lstat().st_uid != os.getuid()):
            return False
        status = (folder / MARKER).stat()
        if status.st_size == 0 and time.time() - status.st_ctime < _STILL_STARTING:
            return False
        with (folder / MARKER).open("r+b") as marker:
            return _lock(marker)
    except OSError:
        return False


def _remove(folder: Path) -> None:
    """Take the marker last, so that a removal cut short is finished by the next box."""
    import shutil

    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != MARKER:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
