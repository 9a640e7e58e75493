"""Signs a finished program with the command in SIGN_COMMAND; without one, nothing is signed. Knows no certificates.

What is signed must have its mind already: whatever is appended later breaks the signature. On macOS the packers sign
by themselves, with CODESIGN_IDENTITY or, without one, as nobody.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path


def sign(program: Path) -> None:
    """Run SIGN_COMMAND, split as a shell does, with the path of the program behind it."""
    if command := os.environ.get("SIGN_COMMAND"):
        subprocess.run([*shlex.split(command), str(program)], check=True)
