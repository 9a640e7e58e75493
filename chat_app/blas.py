"""numpy's own matrix library: chosen before numpy is imported, and its threads counted while it runs.

Import this before numpy. Knows OpenBLAS; leaves any other library alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PATIENCE: Final = 32  # tokens on one thread before all are tried again
_LONGEST_PATIENCE: Final = 512
_WORTHWHILE: Final = 0.8  # of one thread's time; less would be luck
_LONG_PROMPT: Final = 16  # tokens
_AVX512: Final = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"}


def _prefer_skylake_kernels() -> None:
    """On AVX-512 processors OpenBLAS's Skylake kernels prefill 1.45 times faster than those it picks itself."""
    try:
        flags = Path("/proc/cpuinfo").read_text("ascii", "replace").partition("flags")[2].partition("\n")[0]
    except OSError:
        return
    if set(flags.split()) >= _AVX512:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")


if "numpy" not in sys.modules:
    _prefer_skylake_kernels()

import numpy as np  # noqa: E402


def _openblas() -> ctypes.CDLL | None:
    """The OpenBLAS that numpy has loaded, where its thread count can be set."""
    core = np._core._multiarray_umath.__file__  # type: ignore[attr-defined]
    folders = [Path(np.__file__).parent.parent / "numpy.libs", Path(np.__file__).parent / ".dylibs", Path(core).parent]
    folders.append(Path(np.__file__).parent.parent)
    for folder in folders:
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
                library.scipy_openblas_set_num_threads64_.argtypes = [ctypes.c_int]
                library.scipy_openblas_set_num_threads64_.restype = None
            except (OSError, AttributeError):
                continue
            return library
    return None


def cores() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class Threads:
    """How many threads multiply, one or all, by what the clock says.

    OpenBLAS waits for all its threads at every product, so one busy neighbour on a core can make a product of
    30 us take 8 ms. Tell `observe` what each token took: the first is written on one thread, to know what that costs.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self._library = _openblas()
        self.most = cores() if self._library else 1
        self.now = 1
        self._matrix, self._vector = matrix, np.ones(matrix.shape[1], np.float32)
        self._out = np.empty(matrix.shape[0], np.float32)
        self._recent: deque[float] = deque(maxlen=3)
        self._alone = 0.0  # seconds that a token lately took on one thread
        self._left, self._patience = 1, _PATIENCE  # tokens until all are tried; and the next time, if they fail
        if self.most > 1:
            self._set(1)

    def _set(self, count: int) -> None:
        self.now = count
        self._recent.clear()
        self._tell(count)

    def _tell(self, count: int) -> None:
        if self._library is not None:
            self._library.scipy_openblas_set_num_threads64_(count)

    def trial(self, count: int) -> float:
        """Seconds of the middle one of three products with `count` threads."""
        self._set(count)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            np.dot(self._matrix, self._vector, out=self._out)
            times.append(time.perf_counter() - started)
        return sorted(times)[1]

    def _try_all(self) -> None:
        """Take all threads where one product gains by them; the tokens that follow must bear it out."""
        alone = self.trial(1)
        if self.trial(self.most) > _WORTHWHILE * alone:
            self._fall_back()

    def _fall_back(self) -> None:
        """One thread for now, and twice as long as the last time."""
        self._set(1)
        self._left = self._patience
        self._patience = min(2 * self._patience, _LONGEST_PATIENCE)

    def observe(self, seconds: float) -> None:
        """Take in the time of one token, and change the count where it pays."""
        if self.most == 1:
            return
        self._recent.append(seconds)
        middle = sorted(self._recent)[len(self._recent) // 2]
        enough = len(self._recent) == self._recent.maxlen
        if self.now == 1:
            self._alone = middle
            self._left -= 1
            if self._left <= 0:
                self._try_all()
        elif seconds > 2 * self._alone or (enough and middle > self._alone):
            self._fall_back()
        elif enough:
            self._patience = _PATIENCE

    @contextmanager
    def reading(self, tokens: int) -> Iterator[None]:
        """All threads for a prompt of some length: its products are large enough to bear a neighbour."""
        if tokens >= _LONG_PROMPT:
            self._tell(self.most)
        try:
            yield
        finally:
            self._tell(self.now)
