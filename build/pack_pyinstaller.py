"""Seals a mind with PyInstaller: dist/ gets one executable, and the same program as a folder in an archive."""

from __future__ import annotations

import shutil
import subprocess
import sys

import archive
import contents
import revision
import signing


def main() -> None:
    """Freeze, then move what came out to dist/, or to --dist."""
    options = contents.arguments(__doc__, "pyinstaller")
    made = contents.OUT / "pyinstaller"
    command = [
        sys.executable, "-m", "PyInstaller", str(contents.SPEC), "--noconfirm", "--log-level=WARN",
        f"--workpath={made / 'work'}", f"--distpath={made}",
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=contents.ROOT, env=contents.environment())
    for program in (made / contents.program_name(), made / "folder" / contents.program_name()):
        signing.sign(program)
    shutil.move(made / contents.program_name(), options.dist / contents.executable_name(options.stem))
    packed = options.dist / contents.archive_name(options.stem)
    archive.pack(made / "folder", packed, options.stem, revision.moment())


if __name__ == "__main__":
    main()
