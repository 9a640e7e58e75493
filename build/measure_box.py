"""Measures one box: `python build/measure_box.py BOX` prints a JSON object. Sizes are in MB of 10^6 bytes.

Knows processes and clocks, nothing of what is inside. Only Linux, which has /proc, is measured in full.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

MB: Final = 1e6
RUNS: Final = 7
POLL: Final = 0.01  # seconds
PROMPT: Final = "Кот"


def environment(folder: Path) -> dict[str, str]:
    """All that the box is told: a home and a temporary folder of its own."""
    temp = folder / "temp"
    temp.mkdir(exist_ok=True)
    told = {"HOME": str(folder), "TMPDIR": str(temp), "TERM": "xterm", "LANG": "ru_RU.UTF-8"}
    if sys.platform == "win32":
        told |= {"SYSTEMROOT": os.environ["SYSTEMROOT"], "TEMP": str(temp), "TMP": str(temp), "APPDATA": str(folder)}
    return told


def first_output(box: Path, folder: Path) -> float:
    """Seconds from start to the first byte in a terminal."""
    import pty  # which Windows lacks

    outside, inside = pty.openpty()
    started = time.perf_counter()
    process = subprocess.Popen(
        [box], env=environment(folder), stdin=inside, stdout=inside, stderr=inside, start_new_session=True
    )  # fmt: skip
    os.close(inside)
    os.read(outside, 1)
    seconds = time.perf_counter() - started
    _leave(process, outside)
    return seconds


def _leave(process: subprocess.Popen[bytes], terminal: int) -> None:
    """Say that nothing more will be typed, as often as it takes to be heard."""
    seen = b""
    while process.poll() is None:
        with contextlib.suppress(OSError):
            seen += os.read(terminal, 1 << 16)
            if "›".encode() in seen:
                os.write(terminal, b"\x04")
    os.close(terminal)


def first_token(box: Path, folder: Path) -> float:
    """Seconds from start to the first byte of an answer of one token."""
    command = [str(box), "--prompt", PROMPT, "--max-tokens", "1"]
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        process.stdout.read(1)
        return time.perf_counter() - started


def tree(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from tree(int(child))


def _kilobytes(path: Path, key: str) -> int:
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


def peaks(box: Path, folder: Path) -> dict[str, float]:
    """The most memory of all its processes together, and of its temporary files, while it answers."""
    command = [str(box), "--prompt", PROMPT * 40, "--max-tokens", "100"]
    most = {"peak_rss_mb": 0.0, "peak_pss_mb": 0.0, "temp_mb": 0.0}
    process = subprocess.Popen(
        command, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip
    while process.poll() is None:
        pids = list(tree(process.pid))
        now = {
            "peak_rss_mb": sum(_kilobytes(Path(f"/proc/{pid}/status"), "VmRSS") for pid in pids) * 1024 / MB,
            "peak_pss_mb": sum(_kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in pids) * 1024 / MB,
            "temp_mb": _size(folder / "temp") / MB,
        }
        most = {name: max(value, now[name]) for name, value in most.items()}
        time.sleep(POLL)
    return most


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # which overlooks what vanishes meanwhile
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def measure(box: Path) -> dict[str, Any]:
    """Everything, warm: the first start is not counted. Times are medians, `best` the quickest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first_token(box, folder)
        tokens = [first_token(box, folder) for _ in range(RUNS)]
        figures = {
            "box": box.name, "size_mb": round(box.stat().st_size / MB, 1), **_median("first_token", tokens),
        }  # fmt: skip
        if sys.platform != "linux":
            return figures
        outputs = [first_output(box, folder) for _ in range(RUNS)]
        memory = peaks(box, folder)
        left = _size(folder / "temp")
    return {
        **figures, **_median("first_output", outputs), **{key: round(value, 1) for key, value in memory.items()},
        "left_behind_mb": round(left / MB, 1),
    }  # fmt: skip


def _median(name: str, seconds: list[float]) -> dict[str, float]:
    return {f"{name}_s": round(statistics.median(seconds), 3), f"{name}_best_s": round(min(seconds), 3)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("box", type=Path)
    print(json.dumps(measure(parser.parse_args().box.resolve())))
