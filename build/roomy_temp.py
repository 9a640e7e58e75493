"""Compiles build/roomy_temp.c for linking into one-file boxes: `python build/roomy_temp.py` prints the object's path.

Whoever runs the linker puts that path into LDFLAGS: build/pack_nuitka.py, and noxfile.py where PyInstaller's bootloader
is compiled. Imports nothing of the project, so that it runs before anything is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from math import ceil
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_INTO: Final = _HERE.parent / "out" / "roomy_temp.o"


def needed_mb() -> int:
    """What a box may unpack at each start, by its budget: MB of 10^6 bytes."""
    budgets: dict[str, dict[str, float]] = tomllib.loads((_HERE / "budgets.toml").read_text("utf-8"))
    return ceil(max(packer["temp_mb"] for packer in budgets.values()))


def compiled(into: Path = _INTO, needed: int | None = None) -> Path:
    """The object file. SystemExit where there is no C compiler, CalledProcessError where it refuses."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise SystemExit("A C compiler is missing. Install one: apt-get install gcc libc6-dev")
    into.parent.mkdir(parents=True, exist_ok=True)
    megabytes = needed_mb() if needed is None else needed
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", f"-DNEEDED_MB={megabytes}", "-c", "roomy_temp.c"]
    subprocess.run([*command, "-o", str(into)], check=True, cwd=_HERE)
    return into


if __name__ == "__main__":
    print(compiled())
