"""Tries Linux boxes in Debians where nothing is installed: `nox -s cleanroom -- [--debian 11] [BOX...]`, as root.

Makes the places that clean_linux.sh describes; what is expected there is that script's business, which the release
workflow runs as well. Needs nothing installed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "build"))
import debian

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
FRIEND: Final = 1000  # a user whom no file of the chroot knows
PROC: Final = "-t proc proc proc"
PLACES: Final = {  # the words of `mount`
    "plain": (PROC, "-t tmpfs -o exec,mode=1777 tmpfs tmp"),
    "noexec": (PROC, "-t tmpfs -o noexec,mode=1777 tmpfs tmp"),
    "small": (PROC, "-t tmpfs -o exec,mode=1777,size=20m tmpfs tmp"),
    "nowhere": (PROC, "-t tmpfs -o noexec,mode=1777 tmpfs tmp", "-t tmpfs -o noexec,mode=1777 tmpfs var/tmp"),
    "noproc": ("-t tmpfs -o exec,mode=1777 tmpfs tmp",),
}
ENDINGS: Final = (".json", ".txt", ".html", ".pdf")  # of what stands beside boxes
LINUX: Final = {"amd64": "linux-x86_64", "arm64": "linux-arm64"}


def boxes(given: list[Path], architecture: str) -> list[Path]:
    """The boxes among these files and folders that run on such a processor."""
    files = [path for each in given for path in (sorted(each.iterdir()) if each.is_dir() else [each])]
    return [path for path in files if LINUX[architecture] in path.name and path.suffix not in ENDINGS]


def tried(number: str, architecture: str, place: str, given: list[Path]) -> bool:
    """Run clean_linux.sh in one place; whether all boxes did what is expected."""
    folders = {path.parent.resolve(): f"boxes/{index}" for index, path in enumerate(given)}
    mounts = [
        *PLACES[place], "-t tmpfs -o exec,mode=1777 tmpfs room", f"-o bind,ro {shlex.quote(str(HERE))} tests",
        *(f"-o bind,ro {shlex.quote(str(folder))} {inside}" for folder, inside in folders.items()),
    ]  # fmt: skip
    inside = [f"/{folders[path.parent.resolve()]}/{path.name}" for path in given]
    print(f"Debian {number}, {architecture}", flush=True)
    root = debian.minimal(number, architecture)
    command = ["sh", "/tests/clean_linux.sh", place, *inside]
    return debian.run(root, command, mounts=mounts, user=FRIEND) == 0


def main() -> None:
    """Every box in every place of every Debian. SystemExit names what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boxes", nargs="*", type=Path, default=[ROOT / "dist"], help="default: dist/")
    parser.add_argument("--debian", action="append", choices=debian.SUITES, help="default: 11 and 12")
    parser.add_argument("--place", action="append", choices=PLACES, help="default: all")
    parser.add_argument("--arch", choices=LINUX, default=debian.processor(), help="default: this machine's")
    options = parser.parse_args()
    if lacking := debian.missing(options.arch):
        sys.exit("\n".join(lacking))
    found = boxes(options.boxes, options.arch)
    if not found:
        sys.exit(f"There is no box for {LINUX[options.arch]}. Make one: nox -s release_linux")
    failed = [
        f"Debian {number}, {place}"
        for number in options.debian or ("11", "12")
        for place in options.place or PLACES
        if not tried(number, options.arch, place, found)
    ]
    if failed:
        sys.exit(f"Boxes failed here: {'; '.join(failed)}.")


if __name__ == "__main__":
    main()
