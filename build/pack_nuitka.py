"""Seals a mind with Nuitka: dist/ gets one executable, chat_app compiled to C, the mind appended."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import contents

MADE = contents.OUT / "nuitka"
# {PID} is the outer process; housekeeping knows such a folder by its name and by the marker in it.
UNPACKED = "{TEMP}/mind-in-a-box-{PID}-{TIME}"


def command(name: str) -> list[str]:
    """Nuitka's command line."""
    return [
        sys.executable, "-m", "nuitka", "--mode=onefile", "--deployment", "--quiet", "--lto=no",
        "--python-flag=-O,no_docstrings,isolated,-m",
        "--disable-plugin=multiprocessing",  # it wants in whatever is said of multiprocessing
        f"--user-plugin={contents.RECIPES / 'bytecode_plugin.py'}",
        f"--onefile-tempdir-spec={UNPACKED}",
        # Otherwise Ctrl-C, which only ends an answer, would end the box five seconds later.
        "--onefile-child-grace-time=infinity",
        *(f"--nofollow-import-to={module}" for module in contents.EXCLUDED),
        *(f"--include-data-files={path}={path.name}" for path in sorted(contents.DATA.iterdir())),
        f"--include-data-files={contents.PAGE}=chat_app/{contents.PAGE.name}",
        f"--output-dir={MADE}", f"--output-filename={name}",
        str(contents.ENTRY.parent),
    ]  # fmt: skip


def append(mind: Path, executable: Path) -> None:
    """Put the mind with its trailer behind the program; on macOS signing comes after this."""
    with mind.open("rb") as source, executable.open("ab") as target:
        shutil.copyfileobj(source, target)


def main() -> None:
    """Freeze, append, then move what came out to dist/, or to --dist."""
    options = contents.arguments(__doc__)
    name = contents.executable_name("nuitka")
    subprocess.run(command(name), check=True, cwd=contents.OUT)
    append(contents.MIND, MADE / name)
    shutil.move(MADE / name, options.dist / name)


if __name__ == "__main__":
    main()
