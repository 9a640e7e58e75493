from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.errors import CorpusError, StageError
from trainer.processes import available, batched, in_order

ROOT = Path(__file__).parents[2]


def late(number: int) -> tuple[int, int]:
    time.sleep(0.02 if number % 3 == 0 else 0)
    return number, os.getpid()


def refuse(number: int) -> int:
    if number == 5:
        raise CorpusError("Line 5 is no good.")
    return number


def die(number: int) -> int:
    os._exit(1)


def test_results_come_in_the_order_of_the_items_and_items_are_not_read_far_ahead() -> None:
    taken, most = 0, 0

    def take(number: int) -> int:
        nonlocal taken
        taken = number
        return number

    numbers, workers = [], set()
    for number, worker in in_order(late, map(take, range(1, 41)), 2):
        numbers.append(number)
        workers.add(worker)
        most = max(most, taken - number)
    assert numbers == list(range(1, 41))
    assert os.getpid() not in workers
    assert most <= 4


def test_little_work_is_done_without_starting_anything() -> None:
    assert list(in_order(late, [1], 2)) == [(1, os.getpid())]
    assert list(in_order(late, [], 2)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_sentence_comes_through_from_the_process_that_met_it(processes) -> None:
    with pytest.raises(CorpusError, match=r"Line 5 is no good\."):
        list(in_order(refuse, range(10), processes))


def test_a_process_that_is_killed_is_a_sentence() -> None:
    with pytest.raises(StageError, match="A process was killed"):
        list(in_order(die, range(10), 2))


@pytest.mark.skipif(sys.platform == "win32", reason="a killed parent is looked for by POSIX signals")
def test_a_parent_that_is_killed_takes_its_processes_along(tmp_path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\n"
        "from os import getpid\n"
        "from trainer.processes import in_order\n"
        "def work(number):\n"
        "    time.sleep(0.01)\n"
        "    return getpid()\n"
        "if __name__ == '__main__':\n"
        "    for worker in in_order(work, range(10**9), 2):\n"
        "        print(worker, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as parent:
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.kill()
    until = time.monotonic() + 60
    while lives(worker):
        assert time.monotonic() < until, "the process lives on"
        time.sleep(0.02)


def lives(process: int) -> bool:
    """A zombie does not: where no one asks for its end, as in a container without an init, it stays listed."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2][:1] != b"Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # this system has no such files, or the process has just gone


def test_batches_end_at_their_limit_and_lose_nothing() -> None:
    assert list(batched(["aa", "b", "cccc", "d"], 3, len)) == [["aa", "b"], ["cccc"], ["d"]]


def test_windows_is_asked_for_no_more_processes_than_it_can_wait_for(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(128)), raising=False)
    for platform, count in (("win32", 61), ("linux", 128)):
        monkeypatch.setattr(sys, "platform", platform)
        assert available() == count
