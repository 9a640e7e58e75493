"""The terms of everything that a box carries besides the mind, whose own terms /license tells. Knows texts."""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_LINE: Final = "=" * 100
RUNTIME: Final = ("bottle", "numpy", "orjson", "prompt_toolkit", "segno", "waitress", "wcwidth")
PACKERS: Final = {"pyinstaller": "pyinstaller", "nuitka": "Nuitka"}  # whose bootloader or runtime is in the box
# build/licences has the files of expat 2.5.0, libffi 3.4.8 and zlib 1.3.1, unchanged.
INSIDE_PYTHON: Final = ("expat", "libffi", "zlib")
# Libraries of the system that may be frozen: numpy tells the terms of GCC's, Python for Windows those of Microsoft's.
SYSTEM: Final = ("libffi", "libgcc_s", "libstdc++", "libz", "api-ms-win-", "msvcp140", "ucrtbase", "vcruntime140")
# Parts of a distribution whose terms do not count, because the parts are left out: numpy/random/LICENSE.md
_LEFT_OUT: Final = ("numpy.distutils", "numpy.f2py", "numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random")


def text(packer: str) -> str:
    """All of them, each under its title. PackageNotFoundError where something is not installed."""
    return "\n\n".join(_section(title, path.read_text("utf-8")) for title, path in _texts(packer))


def join(texts: Iterable[str]) -> str:
    """Several such texts as one: what stands in more than one of them stands once."""
    sections = (section for text in texts for section in text.strip().split(f"\n\n{_LINE}\n"))
    return f"\n\n{_LINE}\n".join(dict.fromkeys(section.strip() for section in sections)) + "\n"


def _section(title: str, terms: str) -> str:
    return f"{_LINE}\n{title}\n{_LINE}\n{terms.strip()}"


def _texts(packer: str) -> Iterator[tuple[str, Path]]:
    yield "Mind in a Box", _HERE.parent / "LICENSE"
    stdlib = Path(sysconfig.get_path("stdlib"))
    yield from (
        ("Python", path) for path in (stdlib / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt") if path.is_file()
    )
    yield from ((f"{name}, a part of Python", _HERE / "licences" / f"{name}.txt") for name in INSIDE_PYTHON)
    for name in (*RUNTIME, PACKERS[packer]):
        for file in importlib.metadata.distribution(name).files or []:
            if _is_licence(file):
                inside = "/".join(part for part in file.parts[1:] if part != "licenses")
                yield f"{name}: {inside}", Path(str(file.locate()))


def _is_licence(file: PurePath) -> bool:
    """Whether a file of a distribution holds terms, and not those of a part that is left out."""
    if file.parts[:3] == ("nuitka", "build", "inline_copy"):  # sources of others that Nuitka compiles into a program
        return file.parts[3] in ("python_hacl", "zstd") and file.name == "LICENSE.txt"
    module = ".".join(file.parts[2:-1])  # numpy-2.4.0.dist-info/licenses/numpy/random/LICENSE.md
    return (
        "dist-info" in file.parts[0]
        and file.name.upper().startswith(("LICEN", "COPYING", "AUTHORS"))
        and not any(module == name or module.startswith(name + ".") for name in _LEFT_OUT)
    )
