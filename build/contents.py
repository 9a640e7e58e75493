"""What goes into a box and what the box is called: the one place that both packers and the tests read.

Knows files and names; knows nothing of how a packer works.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
import sysconfig
import tomllib
from pathlib import Path, PurePath
from typing import Final, Literal

from chat_app import housekeeping
from chat_app.mind import MAGIC, SIZE_DIGITS, locate

Packer = Literal["pyinstaller", "nuitka"]

ROOT: Final = Path(__file__).resolve().parent.parent
RECIPES: Final = ROOT / "build"
ENTRY: Final = ROOT / "chat_app" / "__main__.py"
SPEC: Final = ROOT / "spec" / "box.spec"
ASSETS: Final = ROOT / "assets"
OUT: Final = ROOT / "out" / "box"  # what the packers work with
DIST: Final = ROOT / "dist"  # what they make
MIND: Final = OUT / "mind"  # the mind with its trailer, as it stands in a box
DATA: Final = OUT / "data"  # small files that stand beside the program inside a box
PAGE: Final = ROOT / "chat_app" / "page.html"  # which stands in its package there, too

# Found by the packers, and never reached by chat_app. Each was tried: the box starts and talks without it.
EXCLUDED: Final = (
    "_bz2", "_csv", "_elementtree", "_hashlib", "_lzma", "_multiprocessing", "_pydecimal", "_pyio", "_sqlite3",
    "_ssl", "_tkinter", "_zoneinfo", "bz2", "cProfile", "cgi", "cgitb", "cmd", "csv", "curses",
    "doctest", "fileinput", "ftplib", "html", "idlelib", "imaplib", "imp",
    "importlib.metadata", "lib2to3", "lzma", "mailbox", "modulefinder", "multiprocessing", "nntplib", "pdb",
    "pickletools", "poplib", "pprint", "profile", "pstats", "pydoc", "pydoc_data", "readline", "setuptools",
    "smtplib", "socketserver", "sqlite3", "ssl", "symtable", "tarfile", "telnetlib", "test", "tkinter", "tomllib",
    "trace", "unittest", "xml.etree", "xmlrpc", "zipfile", "zoneinfo",
    "numpy.ctypeslib", "numpy.distutils", "numpy.f2py", "numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random",
    "numpy.testing", "numpy._core._multiarray_tests", "numpy._core._operand_flag_tests", "numpy._core._rational_tests",
    "numpy._core._simd", "numpy._core._struct_ufunc_tests", "numpy._core._umath_tests",
    "prompt_toolkit.contrib", "pygments", "pyperclip", "pytest", "torch", "trainer",
    "wcwidth._wcwidth_c",  # 2 MB to count columns faster
)  # fmt: skip
# PyInstaller's box is told to be in UTF-8. Nuitka's asks the locale, and would not start in a GBK one without these.
EAST_ASIAN: Final = (
    "_codecs_cn", "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw", "_multibytecodec",
)  # fmt: skip
LICENSED: Final = ("bottle", "numpy", "orjson", "prompt_toolkit", "segno", "waitress", "wcwidth")


def executable_name(packer: Packer, system: str = sys.platform, machine: str = platform.machine()) -> str:
    """The file a person receives, such as mind-in-a-box-linux-x86_64 or mind-in-a-box-windows-x86_64-nuitka.exe."""
    place = {"win32": "windows", "darwin": "macos"}.get(system, system)
    processor = {"amd64": "x86_64"}.get(machine.lower(), machine.lower())
    suffix = "-nuitka" if packer == "nuitka" else ""
    return f"mind-in-a-box-{place}-{processor}{suffix}" + (".exe" if system == "win32" else "")


def folder_name(packer: Packer, system: str = sys.platform, machine: str = platform.machine()) -> str:
    """The folder inside the archive that stands beside the one-file box."""
    return executable_name(packer, system, machine).removesuffix(".exe")


def archive_name(packer: Packer, system: str = sys.platform, machine: str = platform.machine()) -> str:
    """The archive of the folder build."""
    return folder_name(packer, system, machine) + (".zip" if system == "win32" else ".tar.gz")


def default_mind() -> Path:
    """The mind that a box carries unless told otherwise: `default` of assets/manifest.toml. SystemExit without one."""
    try:
        name = tomllib.loads((ASSETS / "manifest.toml").read_text("utf-8"))["default"]
    except (FileNotFoundError, KeyError):
        sys.exit("assets/manifest.toml names no default mind. Choose one: nox -s box -- --mind PATH")
    return ASSETS / str(name)


def arguments(purpose: str | None) -> argparse.Namespace:
    """What a packer is told. The mind is prepared, and the folder `dist` exists."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument(
        "--mind", type=Path, help="the .mind to carry, or a box that has it (default: assets/manifest.toml's)"
    )
    parser.add_argument("--dist", type=Path, default=DIST, help="the folder for what is made (default: %(default)s)")
    options = parser.parse_args()
    prepare(options.mind or default_mind())
    options.dist = options.dist.resolve()
    options.dist.mkdir(parents=True, exist_ok=True)
    return options


def prepare(mind: Path) -> None:
    """Write what the packers take: the mind with its trailer [length u64 LE][magic], the marker, the licences.

    BoxError where `mind` is no mind; another box will do as well.
    """
    start, length = locate(mind)
    DATA.mkdir(parents=True, exist_ok=True)
    with mind.open("rb") as source, MIND.open("wb") as target:
        source.seek(start)
        target.write(source.read(length))
        target.write(length.to_bytes(SIZE_DIGITS, "little") + MAGIC)
    (DATA / housekeeping.MARKER).write_bytes(b"")
    (DATA / "LICENCES.txt").write_text(licences(), "utf-8")


def licences() -> str:
    """The terms of everything that a box carries besides the mind, whose own terms /license tells."""
    texts = [("Mind in a Box", ROOT / "LICENSE")]
    stdlib = Path(sysconfig.get_path("stdlib"))
    texts += [
        ("Python", file) for file in (stdlib / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt") if file.is_file()
    ]
    for name in LICENSED:
        for file in importlib.metadata.distribution(name).files or []:
            if _is_licence(file):
                texts.append((f"{name}: {file.name}", Path(str(file.locate()))))
    return "\n\n".join(f"{'=' * 100}\n{title}\n{'=' * 100}\n{path.read_text('utf-8')}" for title, path in texts)


def _is_licence(file: PurePath) -> bool:
    """Whether a file of a distribution holds terms, and not those of a part that is left out."""
    module = ".".join(file.parts[2:-1])  # numpy-2.4.0.dist-info/licenses/numpy/random/LICENSE.md
    return (
        "dist-info" in file.parts[0]
        and file.name.upper().startswith(("LICEN", "COPYING", "AUTHORS"))
        and not any(module == name or module.startswith(name + ".") for name in EXCLUDED)
    )


def boxes() -> list[Path]:
    """What stands in dist/: archives before executables, the last made last."""
    found = DIST.glob("mind-in-a-box-*") if DIST.is_dir() else ()
    return sorted(
        (path for path in found if path.is_file()),
        key=lambda path: (path.suffix not in (".gz", ".zip"), path.stat().st_mtime),
    )


if __name__ == "__main__":
    for made in boxes():
        print(f"{made}  {made.stat().st_size / 1e6:.1f} MB")
