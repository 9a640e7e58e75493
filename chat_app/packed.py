"""Libraries that a one-file box keeps packed until its first line is on the screen.

PyInstaller unpacks everything on one processor before the program starts; half of that is numpy's matrix library,
which can wait, and lies in halves so that two processors share the work.
"""

from __future__ import annotations

import sys
import threading
import zlib
from pathlib import Path
from typing import Final

SUFFIX: Final = ".packed"  # spec/box.spec puts NAME.0.packed, NAME.1.packed where NAME belongs
_LARGEST: Final = 1 << 24  # bytes that a part may well unpack to; a guess that saves growing


def unpack() -> None:
    """Put them in their places, before numpy looks for them. Does nothing unless this is such a box.

    OSError where the disk does not take them, zlib.error where they are damaged.
    """
    folder = getattr(sys, "_MEIPASS", None)
    if folder is None:
        return
    parts = sorted(Path(folder).glob(f"*/*{SUFFIX}"))
    inflated: dict[Path, bytes] = {}
    failed: list[Exception] = []

    def inflate(part: Path) -> None:
        try:
            inflated[part] = zlib.decompress(part.read_bytes(), bufsize=_LARGEST)
            part.unlink()  # before the whole is written: both need never take room at once
        except (OSError, zlib.error) as error:
            failed.append(error)

    workers = [threading.Thread(target=inflate, args=(part,)) for part in parts]
    for worker in workers:
        worker.start()
    for worker, part in zip(workers, parts, strict=True):
        worker.join()
        if failed:
            raise failed[0]
        with part.with_suffix("").with_suffix("").open("ab") as library:
            library.write(inflated[part])
