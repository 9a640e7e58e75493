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
        try:
            mine.acquire()  # let go by the one before, who hands the turn over
        except BaseException:  # Ctrl-C reaches whoever waits in the main thread
            self._leave(mine)
            raise

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._hand_over()

    def _leave(self, mine: threading.Lock) -> None:
        """Wait no longer; the turn may have come just now."""
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                self._hand_over()

    def _hand_over(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._taken = False
