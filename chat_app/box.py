"""Where minds stand: a .mind, a box of any operating system, the box that is running.

Knows files and trailers (spec/mind-format.md); knows nothing of what a mind is.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

from chat_app.errors import MindError, MindMissing, MindUnreadable, NoMindInside
from chat_app.header import LARGEST, SIZE_DIGITS
from chat_app.text import encodable

BOX: Final = "mind-in-a-box"  # what the names of boxes begin with
_BESIDE_BOXES: Final = (".gz", ".zip", ".json", ".txt")  # archives, and what is told about boxes
# Put together at run time, so that the program's own bytes inside a box never look like a trailer.
MAGIC: Final = bytes((0, *b"mind-in-a-box", 1, 255))
TRAILER_SIZE: Final = SIZE_DIGITS + len(MAGIC)


def own_box() -> Path | None:
    """The file of the box that is running; None when run from source.

    PyInstaller tells it by sys.executable. Nuitka's one-file program is a child of the file the person opened, which
    is sys.argv[0] unless found through PATH; the one with a mind inside is it, or with a mind beside it: a signature
    of macOS covers the whole program, so nothing can be appended there.
    """
    if getattr(sys, "frozen", False):
        return Path(sys.executable)
    if "__compiled__" not in globals():
        return None
    programs = [Path(name) for name in (sys.executable, sys.argv[0], f"/proc/{os.getppid()}/exe")]
    for path in programs:
        try:
            if path.is_file() and _find_trailer(path):
                return path
        except OSError:
            continue
    return next((mind for path in programs if (mind := Path(f"{path}.mind")).is_file()), None)


def locate(path: Path) -> tuple[int, int]:
    """(start, length) in bytes of the mind in the file at `path`: a .mind, or a box of any operating system."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):  # Windows would say that one may not read it
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        with path.open("rb") as file:
            head = file.read(SIZE_DIGITS + 2)
    except FileNotFoundError:
        raise MindMissing(path=path) from None
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        raise MindUnreadable(path=path, reason=error) from error
    if head[SIZE_DIGITS:].startswith(b"{") and int.from_bytes(head[:SIZE_DIGITS], "little") <= LARGEST:
        return 0, status.st_size
    if found := _find_trailer(path):
        return found
    raise NoMindInside(path=path)


def called(path: Path) -> str:
    """The name by which the mind in a file is chosen."""
    return encodable(path.stem if path.suffix == ".mind" else path.name)


def near(path: Path) -> list[Path]:
    """The minds in the folder of `path`: every .mind, every box, and `path` itself; by name."""
    boxes = (other for other in path.parent.glob(f"{BOX}*") if other.suffix not in _BESIDE_BOXES)
    found = {path, *path.parent.glob("*.mind"), *filter(_holds_mind, boxes)}
    return sorted(found, key=lambda each: each.name)


def _holds_mind(path: Path) -> bool:
    try:
        state = path.stat()
        return _held_mind(path, state.st_size, state.st_mtime_ns)
    except OSError:
        return False


@lru_cache
def _held_mind(path: Path, size: int, changed: int) -> bool:
    """Remembered until the file changes: to find no mind in it, all of it must be read."""
    try:
        locate(path)
    except MindError:  # a folder, some other file
        return False
    return True


def _find_trailer(path: Path) -> tuple[int, int] | None:
    """Look backwards for [length u64 LE][magic] behind something that begins like a mind."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < TRAILER_SIZE:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = len(data)
            while (magic := data.rfind(MAGIC, 0, end)) >= 0:
                end = magic
                length = int.from_bytes(data[magic - SIZE_DIGITS : magic], "little") if magic >= SIZE_DIGITS else 0
                start = magic - SIZE_DIGITS - length
                if (
                    length > SIZE_DIGITS + 2
                    and start >= 0
                    and data[start + SIZE_DIGITS : start + SIZE_DIGITS + 1] == b"{"
                ):
                    return start, length
    return None
