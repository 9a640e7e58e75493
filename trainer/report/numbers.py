"""Numbers as a person reads them in Russian or English. Knows no meaning; None is written as nothing."""

from __future__ import annotations

from trainer import figures
from trainer.report import captions


class Numbers:
    """How one language writes them."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._written = figures.number_format(language)

    def decimal(self, value: float | None, decimals: int) -> str:
        """1 234,57 or 1,234.57."""
        return "" if value is None else self._written(value, decimals)

    def whole(self, value: float | None) -> str:
        """Without decimals."""
        return self.decimal(value, 0)

    def percent(self, share: float | None) -> str:
        """A share of 1; enough digits that a small one is not nothing."""
        if share is None:
            return ""
        space = "\u00a0" if self.language == "ru" else ""
        if 0 < share < 1e-5:
            return f"< {self._written(0.001, 3)}{space}%"
        decimals = 0 if share == 0 else 1 if share >= 0.001 else 3
        return f"{self._written(100 * share, decimals)}{space}%"

    def large(self, value: float | None) -> str:
        """Millions and billions by name."""
        if value is None:
            return ""
        for size, caption in ((1e9, captions.BILLION), (1e6, captions.MILLION)):
            if value >= size:
                return caption(self.language, value=self.decimal(value / size, 2 if value < 100 * size else 0))
        return self.whole(value)

    def duration(self, seconds: float | None) -> str:
        """In the two largest units."""
        if seconds is None:
            return ""
        if seconds < 60:
            return captions.SECONDS(self.language, seconds=round(seconds))
        hours, minutes = divmod(round(seconds / 60), 60)
        if not hours:
            return captions.MINUTES(self.language, minutes=minutes)
        return captions.HOURS(self.language, hours=self.whole(hours), minutes=minutes)
