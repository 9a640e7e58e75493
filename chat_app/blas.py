"""numpy's own matrix library: chosen before numpy is imported, and its threads counted while it runs.

Import this before numpy. Knows OpenBLAS; leaves any other library alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

_PATIENCE: Final = 32  # tokens on one thread before all are tried again
_LONGEST_PATIENCE: Final = 512
_TOO_SLOW: Final = 1.3  # times the best token so far
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
    """How many threads multiply, by what the clock says.

    OpenBLAS waits for all its threads at every product, so one busy neighbour on a core can make a product of
    30 us take 8 ms. Tell `observe` what a token took; `trial` times one product with the threads now set.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self._library = _openblas()
        self.most = cores() if self._library else 1
        self.now = self.most
        self._matrix, self._vector = matrix, np.ones(matrix.shape[1], np.float32)
        self._out = np.empty(matrix.shape[0], np.float32)
        self._recent: deque[float] = deque(maxlen=3)
        self._usual = float("inf")
        self._patience = self._left = _PATIENCE
        if self.most > 1:
            self._choose()

    def _set(self, count: int) -> None:
        self.now = count
        self._recent.clear()
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

    def _choose(self) -> None:
        """Take whichever of one and all threads is faster now, and wait longer each time it is one."""
        alone = self.trial(1)
        if self.trial(self.most) < alone:
            self._patience = _PATIENCE
        else:
            self._set(1)
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
        self._left = self._patience

    def observe(self, seconds: float) -> None:
        """Take in the time of one token, and change the count where it pays."""
        if self.most == 1:
            return
        self._recent.append(seconds)
        if self.now == 1:
            self._left -= 1
            if self._left <= 0:
                self._choose()
                self._usual = float("inf")
        elif len(self._recent) == self._recent.maxlen:
            middle = sorted(self._recent)[1]
            if middle > _TOO_SLOW * self._usual:
                self._choose()
            self._usual = min(self._usual, middle)
