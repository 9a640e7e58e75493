"""The checksums of files, as `sha256sum --check` reads them. `python build/checksums.py FOLDER` writes SHA256SUMS."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

NAME: Final = "SHA256SUMS"


def of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lines(paths: Iterable[Path]) -> str:
    """One line a file, in the order of names."""
    return "".join(f"{of(path)}  {path.name}\n" for path in sorted(paths, key=lambda path: path.name))


def write(folder: Path, paths: Iterable[Path]) -> Path:
    """Write SHA256SUMS of `paths` into `folder`."""
    target = folder / NAME
    target.write_text(lines(path for path in paths if path.name != NAME), "utf-8", newline="\n")
    return target


if __name__ == "__main__":
    given = Path(sys.argv[1])
    write(given, (path for path in given.iterdir() if path.is_file()))
