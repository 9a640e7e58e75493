"""Strips libraries of the symbols that only a debugger reads; Linux only. Knows nothing of boxes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_STRIP = shutil.which("strip") if sys.platform == "linux" else None


def may_go(library: Path) -> bool:
    """Whether `strip` leaves it whole: it breaks those that auditwheel has patched, such as OpenBLAS."""
    patched = library.parent.name.endswith(".libs") or any(
        word in library.name for word in ("openblas", "gfortran", "quadmath")
    )
    return _STRIP is not None and not patched


def strip(library: Path) -> None:
    """In place."""
    subprocess.run([_STRIP or "strip", "--strip-unneeded", str(library)], check=True)
