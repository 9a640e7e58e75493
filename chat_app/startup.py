"""Bringing in the libraries that the program computes with, and a sentence for whatever keeps them out.

Knows processors, disks and temporary folders; knows nothing of minds.
"""

from __future__ import annotations

import errno
import sys
import zlib
from pathlib import Path
from typing import Final

from chat_app import packed
from chat_app.errors import BoxDamaged, BoxError, LibraryRefused, NoRoom, ProcessorTooOld

_DISK_FULL: Final = (39, 112)  # Windows' ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL


def libraries() -> None:
    """Unpack and import them. BoxError where disk, temporary folder or processor do not allow it."""
    try:
        packed.unpack()
        from chat_app import blas  # isort: skip  # noqa: F401, before numpy: it chooses OpenBLAS's kernels
        import numpy as np  # isort: skip  # noqa: F401
    except RuntimeError as error:  # numpy's words for a processor below its baseline
        raise ProcessorTooOld(reason=error) from error
    except (ImportError, OSError, zlib.error) as error:
        if (problem := _told(error)) is None:
            raise
        raise problem from error


def _told(error: Exception) -> BoxError | None:
    """The sentence for what a box cannot unpack or load; None where it is for a maker, who runs the sources."""
    unpacked = getattr(sys, "_MEIPASS", None) or (Path(__file__).parent.parent if "__compiled__" in globals() else None)
    if unpacked is None:
        return None
    if isinstance(error, OSError) and (
        error.errno in (errno.ENOSPC, errno.EDQUOT) or getattr(error, "winerror", None) in _DISK_FULL
    ):
        return NoRoom(path=Path(unpacked).parent)
    if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
        variable = "TMP" if sys.platform == "win32" else "TMPDIR"
        return LibraryRefused(path=Path(unpacked).parent, reason=_root(error), variable=variable)
    return BoxDamaged(reason=error)


def _root(error: BaseException) -> str:
    """The first line of what it all began with: numpy wraps the loader's words in a page of its own."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error).strip().partition("\n")[0].rstrip(".")
