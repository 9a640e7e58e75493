"""Seals a mind with PyInstaller: dist/ gets one executable, and the same program as a folder in an archive."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import contents


def archive(folder: Path, path: Path) -> None:
    """Pack `folder` with its run bits, under the name it has for the person."""
    inside = contents.folder_name("pyinstaller")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for member in sorted(folder.rglob("*")):
                file.write(member, Path(inside) / member.relative_to(folder))
    else:
        with tarfile.open(path, "w:gz", compresslevel=1) as file:  # weights hardly shrink, whatever the effort
            file.add(folder, inside)


def main() -> None:
    """Freeze, then move what came out to dist/, or to --dist."""
    options = contents.arguments(__doc__)
    made = contents.OUT / "pyinstaller"
    command = [
        sys.executable, "-m", "PyInstaller", str(contents.SPEC), "--noconfirm", "--log-level=WARN",
        f"--workpath={made / 'work'}", f"--distpath={made}",
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=contents.ROOT)
    name = contents.executable_name("pyinstaller")
    shutil.move(made / name, options.dist / name)
    archive(made / "folder", options.dist / contents.archive_name("pyinstaller"))


if __name__ == "__main__":
    main()
