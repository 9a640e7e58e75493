"""Strings at which an answer stops: nothing of them is ever passed on, not even their beginning."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """Passes a text on as it comes; what may yet become one of `strings` is held back until that is known."""

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = [string for string in strings if string]
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """What may be passed on now that `text` has come; the end of the answer where `hit` is true afterwards."""
        text = self._held + text
        found = [place for string in self._strings if (place := text.find(string)) >= 0]
        if found:
            self.hit, self._held = True, ""
            return text[: min(found)]
        held = max((_begun(text, string) for string in self._strings), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back, now that nothing more comes."""
        held, self._held = self._held, ""
        return held


def _begun(text: str, string: str) -> int:
    """How many letters at the end of `text` are the beginning of `string`."""
    for count in range(min(len(text), len(string) - 1), 0, -1):
        if text.endswith(string[:count]):
            return count
    return 0
