"""A box that is killed leaves no orphan, and what it left in the temporary folder goes with the next start."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Box

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the inner process through /proc")


@contextmanager
def running(box: Box) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A box that talks, and the id of its inner process."""
    outer = subprocess.Popen([box.path], env=box.environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert outer.stdin
    assert outer.stderr
    outer.stdin.write(b"/stats\n")
    outer.stdin.flush()
    outer.stderr.readline()
    inner = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])
    try:
        yield outer, inner
    finally:
        outer.communicate(b"/quit\n" if outer.poll() is None else None, timeout=30)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def soon(holds: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def folders(box: Box) -> list[Path]:
    return list(box.temp.iterdir())


def test_the_inner_process_ends_with_the_outer_and_tidies_up(one_file: Box) -> None:
    with running(one_file) as (outer, inner):
        outer.kill()
        outer.wait()
        assert soon(lambda: not is_alive(inner))
        assert not folders(one_file)


def test_the_next_start_removes_what_a_killed_box_left(one_file: Box) -> None:
    with running(one_file) as (outer, inner):
        os.kill(outer.pid, signal.SIGSTOP)  # or the one that lives longer would tidy up
        os.kill(inner, signal.SIGKILL)
        os.kill(outer.pid, signal.SIGKILL)
    left = folders(one_file)
    assert len(left) == 1
    with running(one_file):
        assert soon(lambda: not left[0].exists())
    assert not folders(one_file)


def test_a_living_box_is_left_alone(one_file: Box) -> None:
    with running(one_file) as (_, inner), running(one_file):
        time.sleep(4)
        assert len(folders(one_file)) >= 2
        assert is_alive(inner)


def test_folders_of_other_programs_are_left_alone(one_file: Box) -> None:
    foreign = one_file.temp / "_MEIabcdef"
    (foreign / "numpy").mkdir(parents=True)
    named = one_file.temp / "mind-in-a-box-1-1"
    named.mkdir()
    with running(one_file):
        time.sleep(4)
        assert foreign.exists()
        assert named.exists()
    foreign.joinpath("numpy").rmdir()
    foreign.rmdir()
    named.rmdir()
