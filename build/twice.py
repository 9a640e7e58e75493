"""Builds the same commit twice and says what differs: `python build/twice.py [pyinstaller|nuitka]`.

Knows how to compare what came out; what goes in is the packers' own business.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import checksums
import contents


def different(first: Path, second: Path) -> list[str]:
    """Names, within two folders, of what only one has or what holds other bytes."""
    sums = [
        {str(path.relative_to(folder)): checksums.of(path) for path in folder.rglob("*") if path.is_file()}
        for folder in (first, second)
    ]
    return sorted({name for name, _ in sums[0].items() ^ sums[1].items()})


def built(packer: contents.Packer, number: int) -> tuple[Path, Path]:
    """Build afresh; where the boxes are, and a copy of what was made on the way."""
    shutil.rmtree(contents.OUT, ignore_errors=True)
    into = contents.ROOT / "out" / "twice" / str(number)
    shutil.rmtree(into, ignore_errors=True)
    script = contents.RECIPES / f"pack_{packer}.py"
    subprocess.run([sys.executable, str(script), "--dist", str(into / "boxes")], check=True)
    shutil.copytree(contents.OUT / packer, into / "work", symlinks=True)
    return into / "boxes", into / "work"


def main() -> None:
    """Build, build again, compare. SystemExit with what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packer", nargs="?", choices=["pyinstaller", "nuitka"], default="pyinstaller")
    packer: contents.Packer = parser.parse_args().packer
    (boxes, work), (again, work_again) = built(packer, 1), built(packer, 2)
    if names := different(boxes, again):
        inside = "\n".join(f"  {name}" for name in different(work, work_again))
        sys.exit(f"These differ: {', '.join(names)}\nOn the way to them, these differ:\n{inside}")
    print(f"Twice the same: {', '.join(path.name for path in sorted(boxes.iterdir()))}")


if __name__ == "__main__":
    main()
