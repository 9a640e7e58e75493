"""Gathers what the builds of all platforms made into one folder, with all terms in one file and new checksums.

`python build/gather.py FOLDERS INTO`: every folder in FOLDERS is what `nox -s release` left in one dist/.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

import checksums
import licences

TERMS: Final = "THIRD_PARTY_LICENSES.txt"


def gather(folders: list[Path], into: Path) -> None:
    """Move all files of `folders` into `into`. FileExistsError where two builds have the same name."""
    into.mkdir(parents=True, exist_ok=True)
    terms = [(folder / TERMS).read_text("utf-8") for folder in folders]
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        if path.name in (TERMS, checksums.NAME):
            continue
        if (into / path.name).exists():
            raise FileExistsError(into / path.name)
        shutil.move(path, into / path.name)
    (into / TERMS).write_text(licences.join(terms), "utf-8", newline="\n")
    checksums.write(into, into.iterdir())


if __name__ == "__main__":
    gather(sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2]))
