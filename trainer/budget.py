"""The time a run may take, and where its schedule must therefore end. Knows seconds and iterations."""

from __future__ import annotations

import time
from collections import deque

_WINDOW = 20  # iterations whose mean tells the speed; a busy moment changes it, and the plan with it
_RESERVE = 0.01  # of all the time, for checkpoints and for being wrong


class Budget:
    """So many minutes from now on, or as many as it takes. Evaluations are costly, and reckoned with apart."""

    def __init__(self, minutes: float | None, eval_interval: int) -> None:
        self.minutes, self._eval_interval = minutes, eval_interval
        self._started = time.monotonic()
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._evaluation = 0.0
        self._first = True

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and time.monotonic() - self._started > 60 * self.minutes

    def iterated(self, seconds: float) -> None:
        """Note how long an iteration took. The first of all compiled, and tells nothing."""
        if not self._first:
            self._recent.append(seconds)
        self._first = False

    def evaluated(self, seconds: float) -> None:
        """Note how long an evaluation took, and what goes with it."""
        self._evaluation = seconds

    def end(self, iteration: int) -> int | None:
        """The iteration with which the time will be up, or None where it is not yet time to plan anew.

        Between now and then lies an evaluation every `eval_interval`, and one at the very end.
        """
        if self.minutes is None or len(self._recent) < _WINDOW or iteration % _WINDOW:
            return None
        left = (1 - _RESERVE) * 60 * self.minutes - (time.monotonic() - self._started) - self._evaluation
        each = max(sum(self._recent) / _WINDOW, 1e-9)
        more = int(left / (each + self._evaluation / self._eval_interval)) + self._eval_interval  # too many by a few
        while more > 0 and more * each + self._between(iteration, iteration + more) * self._evaluation > left:
            more -= 1
        return iteration + max(0, more)

    def _between(self, iteration: int, end: int) -> int:
        """The evaluations after `iteration` and before `end`."""
        return (end - 1) // self._eval_interval - iteration // self._eval_interval
