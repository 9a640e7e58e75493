"""What goes into a box and what the box is called: the one place that both packers and the tests read.

Knows files and names; knows nothing of how a packer works.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tomllib
from pathlib import Path
from typing import Final, Literal

import licences
import packing
import revision

from chat_app import __version__, housekeeping, terms
from chat_app.box import BOX, MAGIC
from chat_app.errors import BoxError
from chat_app.header import SIZE_DIGITS

Packer = Literal["pyinstaller", "nuitka"]

ROOT: Final = Path(__file__).resolve().parent.parent
RECIPES: Final = ROOT / "build"
ENTRY: Final = ROOT / "chat_app" / "__main__.py"
SPEC: Final = ROOT / "spec" / "box.spec"
ASSETS: Final = ROOT / "assets"
OUT: Final = ROOT / "out" / "box"  # what the packers work with
FROZEN: Final = OUT / "frozen"  # what each of them says that it froze
DIST: Final = ROOT / "dist"  # what they make
MIND: Final = OUT / "mind"  # the mind with its trailer, as it stands in a box
DATA: Final = OUT / "data"  # small files that stand beside the program inside a box
PAGE: Final = ROOT / "chat_app" / "page.html"  # which stands in its package there, too

# Found by the packers, and never reached by chat_app. Each was tried: the box starts and talks without it.
EXCLUDED: Final = (
    "_bz2", "_csv", "_elementtree", "_hashlib", "_lzma", "_multiprocessing", "_pydecimal", "_pyio", "_sqlite3",
    "_ssl", "_tkinter", "_uuid", "_zoneinfo", "bz2", "cProfile", "cgi", "cgitb", "cmd", "csv", "curses",
    "doctest", "fileinput", "ftplib", "html", "idlelib", "imaplib", "imp",
    "importlib.metadata", "lib2to3", "lzma", "mailbox", "modulefinder", "multiprocessing", "nntplib", "pdb",
    "pickletools", "poplib", "pprint", "profile", "pstats", "pydoc", "pydoc_data", "readline", "setuptools",
    "smtplib", "socketserver", "sqlite3", "ssl", "symtable", "tarfile", "telnetlib", "test", "tkinter", "tomllib",
    "trace", "unittest", "xml.etree", "xmlrpc", "zipfile", "zoneinfo",
    "numpy.ctypeslib", "numpy.distutils", "numpy.f2py", "numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random",
    "numpy.testing", "numpy._core._multiarray_tests", "numpy._core._operand_flag_tests", "numpy._core._rational_tests",
    "numpy._core._simd", "numpy._core._struct_ufunc_tests", "numpy._core._umath_tests",
    "prompt_toolkit.contrib", "pygments", "pyperclip", "pytest", "torch", "trainer", "typing_extensions",
    "wcwidth._wcwidth_c",  # 2 MB to count columns faster
)  # fmt: skip
# PyInstaller's box is told to be in UTF-8. Nuitka's asks the locale, and would not start in a GBK one without these.
EAST_ASIAN: Final = (
    "_codecs_cn", "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw", "_multibytecodec",
)  # fmt: skip
DESCRIPTIONS: Final = (".html", ".json", ".pdf", ".txt")  # what stands beside boxes and is none


def place(system: str = sys.platform, machine: str = platform.machine()) -> str:
    """The operating system and processor in a name, such as linux-x86_64."""
    name = {"win32": "windows", "darwin": "macos"}.get(system, system)
    processor = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine.lower())
    return f"{name}-{processor}"


def stem(mind: Path, packer: Packer, where: str = "") -> str:
    """What all files of one build begin with: mind-in-a-box-<mind>-<version>-<os>-<arch>[-nuitka]."""
    named = re.fullmatch(rf"{BOX}-(.+?)-\d+\.\d+.*", mind.name)  # a box is asked for its mind, too
    name = re.sub(r"\s+", "-", named[1] if named else mind.stem)  # it will stand in commands that people copy
    return f"{BOX}-{name}-{__version__}-{where or place()}" + ("-nuitka" if packer == "nuitka" else "")


def program_name(system: str = sys.platform) -> str:
    """The program inside a folder, and what the packers call it until it is moved to dist/."""
    return BOX + _ending(system)


def executable_name(stem: str, system: str = sys.platform) -> str:
    """The one file that a person receives."""
    return stem + _ending(system)


def archive_name(stem: str, system: str = sys.platform) -> str:
    """The archive that a person receives; it holds a folder called `stem`."""
    return stem + (".zip" if system in ("win32", "darwin") else ".tar.gz")


def _ending(system: str) -> str:
    return ".exe" if system == "win32" else ""


def default_mind() -> Path:
    """The mind that a box carries unless told otherwise: `default` of assets/manifest.toml. SystemExit without one."""
    try:
        name = tomllib.loads((ASSETS / "manifest.toml").read_text("utf-8"))["default"]
    except (FileNotFoundError, KeyError):
        sys.exit("assets/manifest.toml names no default mind. Choose one: nox -s box -- --mind PATH")
    return ASSETS / str(name)


def arguments(purpose: str | None, packer: Packer) -> argparse.Namespace:
    """What a packer is told. The mind is prepared, the folder `dist` exists, `stem` begins every name in it."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument(
        "--mind", type=Path, help="the .mind to carry, or a box that has it (default: assets/manifest.toml's)"
    )
    parser.add_argument(
        "--packed", action="store_true", help="carry the mind packed, a seventh smaller; its weights are read later"
    )
    parser.add_argument("--dist", type=Path, default=DIST, help="the folder for what is made (default: %(default)s)")
    options = parser.parse_args()
    options.mind = options.mind or default_mind()
    try:
        prepare(options.mind, packer, pack=options.packed)
    except BoxError as error:
        sys.exit(error.sentence("en"))
    options.stem = stem(options.mind, packer)
    options.dist = options.dist.resolve()
    options.dist.mkdir(parents=True, exist_ok=True)
    return options


def prepare(mind: Path, packer: Packer, *, pack: bool = False) -> None:
    """Write what the packers take: the mind with its trailer [length u64 LE][magic], the marker, the licences.

    BoxError where `mind` is no mind; another box will do as well.
    """
    DATA.mkdir(parents=True, exist_ok=True)
    length = packing.write(mind, MIND, pack=pack)
    with MIND.open("ab") as target:
        target.write(length.to_bytes(SIZE_DIGITS, "little") + MAGIC)
    (DATA / housekeeping.MARKER).write_bytes(b"")
    (DATA / terms.FILE).write_text(licences.text(packer), "utf-8", newline="\n")


def environment() -> dict[str, str]:
    """What the packers run in, so that the same commit makes the same bytes."""
    return os.environ | {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(revision.moment())}


def boxes(dist: Path | None = None) -> list[Path]:
    """The boxes of a folder, else of dist/ those of this version that run here: archives first, the last made last."""
    which = "" if dist else f"-{__version__}-{place()}*"
    dist = dist or DIST
    found = dist.glob(f"{BOX}-*{which}") if dist.is_dir() else ()
    return sorted(
        (path for path in found if path.is_file() and path.suffix not in DESCRIPTIONS),
        key=lambda path: (path.suffix not in (".gz", ".zip"), path.stat().st_mtime),
    )


if __name__ == "__main__":
    for made in boxes():
        print(f"{made}  {made.stat().st_size / 1e6:.1f} MB")
