"""The oldest glibc on which a box starts, read from the symbols that its libraries ask for. Knows ELF, no boxes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

Version = tuple[int, ...]
_DT_RELR: Final = "GLIBC_ABI_DT_RELR"  # packed relocations, which glibc reads since 2.36


def asked(library: Path) -> Version:
    """The newest GLIBC_x.y among the versions that one file needs; () where it needs none or is no ELF."""
    with library.open("rb") as file:
        try:
            needs = ELFFile(file).get_section_by_name(".gnu.version_r")
            found = needs.iter_versions() if isinstance(needs, GNUVerNeedSection) else ()
            names = [each.name for _, versions in found for each in versions]
        except ELFError:
            return ()
    versions = [tuple(map(int, name[6:].split("."))) for name in names if re.fullmatch(r"GLIBC_[\d.]+", name)]
    return max([*versions, *([(2, 36)] if _DT_RELR in names else [])], default=())


def floor(files: Iterable[Path]) -> tuple[Version, str]:
    """The newest version that any of `files` needs, and the name of the first file that needs it."""
    newest: Version = ()
    who = ""
    for path in files:
        if (version := asked(path)) > newest:
            newest, who = version, path.name
    return newest, who


def spoken(version: Version) -> str:
    """Such as 2.31."""
    return ".".join(map(str, version))
