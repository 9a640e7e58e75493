"""What is written beside a file before it takes its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from trainer.files import replacing


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(tmp_path) -> None:
    path = tmp_path / "corpus[1].json"
    killed = (
        "import os, signal, sys; from pathlib import Path; from trainer.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as file: os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", killed, path], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    others = [tmp_path / f".{path.name}.{os.getppid()}.partial", tmp_path / f".{path.name}.mine.partial"]
    for other in others:
        other.touch()
    with replacing(path) as file:
        file.write(b"{}")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])
