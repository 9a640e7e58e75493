"""What a packer really froze: each file by its name inside and by where it came from, and whose it is.

Written by spec/box.spec and, from Nuitka's own report, by build/pack_nuitka.py; read by all that describes a box.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from contents import FROZEN, OUT, ROOT, Packer

PYTHON: Final = "Python"
OWN: Final = "mind-in-a-box"
_LIBRARY: Final = (".so", ".dll", ".dylib", ".pyd", ".bin", ".exe")


@dataclass(frozen=True, slots=True)
class Entry:
    """A module, library or data file: its name in the box, and the file it was made of."""

    name: str
    source: Path

    @property
    def is_library(self) -> bool:
        """Whether it is machine code."""
        return any(ending in self.source.name for ending in _LIBRARY)


def write(packer: Packer, entries: Iterable[tuple[str, str]]) -> None:
    """Keep (name, source) of everything that `packer` froze."""
    FROZEN.mkdir(parents=True, exist_ok=True)
    lines = sorted([name.replace("\\", "/"), str(Path(source).resolve())] for name, source in entries)
    (FROZEN / f"{packer}.json").write_text(json.dumps(lines, ensure_ascii=False, indent=0), "utf-8")


def read(packer: Packer) -> list[Entry]:
    """What `packer` froze last."""
    lines = json.loads((FROZEN / f"{packer}.json").read_text("utf-8"))
    return [Entry(name, Path(source)) for name, source in lines]


def reported(report: Path) -> Iterator[tuple[str, str]]:
    """(name, source) of all that Nuitka's compilation report says it included."""
    places = {"${sys.prefix}": sys.prefix, "${sys.real_prefix}": sys.base_prefix, "${cwd}": str(OUT)}
    for node in ET.parse(report).getroot():  # noqa: S314 - Nuitka wrote it a moment ago
        source = node.get("source_path") or node.get("source")
        if source is None or source.startswith("{") or node.get("ignored") == "yes":
            continue
        for mark, path in places.items():
            source = source.replace(mark, path)
        yield node.get("dest_path") or node.get("name") or "", source


def owners(entries: Iterable[Entry]) -> dict[Entry, str]:
    """Whose each file is: a distribution, Python, this project, or the empty string for the system's own libraries."""
    owned = _owned()
    return {entry: _owner(entry.source, owned) for entry in entries}


@cache
def _owned() -> dict[str, str]:
    """The distribution of every installed file, by its path."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        root, name = os.path.realpath(str(distribution.locate_file(""))), distribution.metadata["Name"]
        found.update((_key(f"{root}/{file}"), name) for file in distribution.files or [])
    return found


def _key(path: str) -> str:
    """A path as it can be compared: Windows knows no case."""
    return os.path.normcase(os.path.normpath(path))


def _owner(source: Path, owned: dict[str, str]) -> str:
    if name := owned.get(_key(str(source))):
        return name
    if source.is_relative_to(ROOT):
        return OWN
    places = (Path(sys.base_prefix), Path(sysconfig.get_path("stdlib")))
    if source.name.startswith("libpython") or any(source.is_relative_to(place.resolve()) for place in places):
        return PYTHON
    return ""


def largest(entries: Iterable[Entry], count: int = 10) -> list[tuple[str, float]]:
    """The names and sizes in MB of the largest, as they were before any compression."""
    sizes = {entry.name: entry.source.stat().st_size / 1e6 for entry in entries if entry.source.is_file()}
    return sorted(sizes.items(), key=lambda item: -item[1])[:count]
