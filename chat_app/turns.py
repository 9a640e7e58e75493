"""Turns at the one set of weights: whoever waits is served in the order of coming."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final


class Turns:
    """A lock that is handed to the one who waits longest.

    Held for one token, or one block of a prompt, it makes several answers be written side by side at the same pace:
    a plain lock would often be taken again by the thread that has just let it go.
    """

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._taken = False
        self._waiting: Final[deque[threading.Lock]] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # let go by the one before, who hands the turn over

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
