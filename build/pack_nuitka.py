"""Seals a mind with Nuitka: dist/ gets one executable, chat_app compiled to C, the mind appended.

On macOS, where a signature covers the whole file, the mind stands beside the program in an archive instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import archive
import contents
import frozen
import icon
import packing
import revision
import roomy_temp
import signing
import windows

from chat_app import __version__
from chat_app.box import BOX

MADE = contents.OUT / "nuitka"
REPORT = MADE / "report.xml"
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
        *special(sys.platform),
        f"--output-dir={MADE}", f"--output-filename={name}", f"--report={REPORT}",
        str(contents.ENTRY.parent),
    ]  # fmt: skip


def special(system: str) -> list[str]:
    """What one system wants besides: macOS whose the program is, Windows what it shows of one."""
    if system == "darwin" and (identity := os.environ.get("CODESIGN_IDENTITY")):
        return [f"--macos-sign-identity={identity}", "--macos-sign-notarization"]
    if system != "win32":
        return []
    return [  # looks, by which a scanner tells it from a nameless program
        f"--windows-icon-from-ico={icon.file(contents.OUT)}",
        f"--product-name={windows.PRODUCT}", f"--company-name={windows.COMPANY}",
        f"--file-description={windows.DESCRIPTION}", f"--copyright={windows.COPYRIGHT}",
        f"--file-version={windows.four(__version__)}",
        f"--product-version={windows.four(__version__)}",
        # Finds DLLs by a library that Nuitka brings, as on ARM. Otherwise it asks whether it may download a program for
        # that, and takes silence for no.
        "--experimental=force-dependencies-pefile",
    ]  # fmt: skip


def environment(folder: Path) -> dict[str, str]:
    """What Nuitka runs in. On Linux it links what finds the box a place to unpack in, which is compiled in `folder`."""
    told = contents.environment()
    if sys.platform == "linux":
        told["LDFLAGS"] = f"{told.get('LDFLAGS', '')} {roomy_temp.compiled(folder / 'roomy_temp.o')}".strip()
    return told


def compiled() -> Iterator[tuple[str, str]]:
    """(name, path) of the program inside the one file, which the report leaves out: it holds Python itself."""
    for path in (MADE / f"{contents.ENTRY.parent.name}.dist").glob(f"{BOX}.*"):
        if path.suffix in (".bin", ".exe", ".dll"):
            yield path.name, str(path)


def append(mind: Path, executable: Path) -> None:
    """Put the mind with its trailer behind the program; Authenticode signs it after this."""
    with mind.open("rb") as source, executable.open("ab") as target:
        shutil.copyfileobj(source, target)


def beside(executable: Path, options: argparse.Namespace) -> None:
    """Pack the signed program and the mind, under the name by which the program finds it, as one archive."""
    folder = MADE / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.move(executable, folder)
    packing.write(options.mind, folder / f"{executable.name}.mind", pack=options.packed)
    packed = options.dist / contents.archive_name(options.stem)
    archive.pack(folder, packed, options.stem, revision.moment())


def main() -> None:
    """Freeze, put the mind in, then move what came out to dist/, or to --dist."""
    options = contents.arguments(__doc__, "nuitka")
    executable = MADE / contents.program_name()
    with tempfile.TemporaryDirectory() as folder:  # whose path has no blanks, which end a word of LDFLAGS
        subprocess.run(command(executable.name), check=True, cwd=contents.OUT, env=environment(Path(folder)))
    frozen.write("nuitka", [*frozen.reported(REPORT), *compiled()])
    if sys.platform == "darwin":
        beside(executable, options)
        return
    if sys.platform == "win32":
        windows.put_manifest(executable)
    append(contents.MIND, executable)
    signing.sign(executable)
    shutil.move(executable, options.dist / contents.executable_name(options.stem))


if __name__ == "__main__":
    main()
