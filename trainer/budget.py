"""The time a run may take, and where its schedule must therefore end. Knows clocks and iterations."""

from __future__ import annotations

import time

_INTERVAL = 20  # iterations; a plan needs their speed, and the speed may change
_MARGIN = 0.97  # of the time left: the last evaluation and the last checkpoint take theirs


class Budget:
    """So many minutes from now on, or as many as it takes."""

    def __init__(self, minutes: float | None) -> None:
        self.minutes, self._started = minutes, time.monotonic()
        self._since: tuple[int, float] | None = None

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and time.monotonic() - self._started > 60 * self.minutes

    def end(self, iteration: int) -> int | None:
        """The iteration with which the time will be up, at the speed of the last ones; None where nothing is new."""
        if self.minutes is None:
            return None
        now = time.monotonic()
        if self._since is None:  # the first iteration of all compiled, and tells nothing
            self._since = iteration, now
        done = iteration - self._since[0]
        if done < _INTERVAL:
            return None
        left = 60 * self.minutes - (now - self._started)
        fits = int(_MARGIN * left * done / (now - self._since[1]))
        self._since = iteration, now
        return max(iteration + 1, iteration + fits)
