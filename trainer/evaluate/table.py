"""The report card for the terminal. Knows how to name what was found in English."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table

from trainer.evaluate.card import Card, Group

TITLES: Final = {
    "one_digit": "one-digit sums",
    "two_digit": "two-digit sums",
    "products": "multiplication table",
    "exercises": "quotients, clocks, rows",
    "facts": "taught facts",
    "identity": "greetings and itself",
    "memory": "a name remembered",
    "follow_ups": "follow-up questions",
    "talk": "everyday talk",
    "unknown": "unknown subjects",
}
_NEW: Final = (
    "New to the mind: the numbers of two-digit sums, the names, the unknown subjects; in all other groups the wordings."
)
PARTS: Final = {
    "wordings": "wordings of learned replies", "intents": "whole intents", "dialogues": "dialogues",
    "exercises": "exercises",
}  # fmt: skip


def of(card: Card) -> Iterator[RenderableType]:
    """One table of groups, one of figures."""
    table = Table("group", title="Report card", title_justify="left", title_style="bold", caption=_NEW)
    table.caption_justify = "left"
    for heading in ("asked", "right", "95 %", "ended", "loops in 100"):
        table.add_column(heading, justify="right")
    for name, group in card.groups.items():
        table.add_row(TITLES[name], *_row(group))
    table.add_section()
    table.add_row("all", *_row(card.all))
    yield table
    figures = Table(show_header=False, title="Answers", title_justify="left", title_style="bold")
    figures.add_column()
    figures.add_column(justify="right")
    figures.add_row("tokens an answer", f"{card.tokens:.1f}")
    figures.add_row("distinct runs of two words", f"{card.distinct_2:.1%}")
    figures.add_row("canned: the same to several questions, in 100", f"{card.canned_per_100:.1f}")
    figures.add_row("runs of six words copied from the training text", f"{card.copied:.1%}")
    figures.add_row("Cyrillic among the letters", f"{card.cyrillic:.2%}")
    for part, bits in card.bits_per_byte.items():
        figures.add_row(f"bits a byte, held out: {PARTS[part]}", f"{bits:.3f}")
    yield figures


def ranking(cards: Sequence[Card]) -> Table:
    """Of a search, the best first."""
    caption = "score: the mean of all right shares, of answers that end, and of answers without a loop"
    table = Table(title="Sampling", title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    headings = ("score", "temp.", "top_p", "min_p", "penalty", "right", "ended", "loops", "varied")
    for heading in headings:
        table.add_column(heading, justify="right")
    for card in cards:
        s = card.sampling
        rights = [group.right for group in card.groups.values() if group.right is not None]
        table.add_row(
            f"{card.score:.3f}", f"{s.temperature:g}", f"{s.top_p:g}", f"{s.min_p:g}", f"{s.repetition_penalty:g}",
            f"{sum(rights) / max(1, len(rights)):.0%}", f"{card.all.ended:.0%}", f"{card.all.loops_per_100:.1f}",
            f"{card.distinct_2:.0%}",
        )  # fmt: skip
    return table


def _row(group: Group) -> tuple[str, ...]:
    right = "" if group.right is None else f"{group.right:.0%}"
    interval = "" if group.low is None or group.high is None else f"{group.low:.0%}…{group.high:.0%}"
    return f"{group.asked}", right, interval, f"{group.ended:.0%}", f"{group.loops_per_100:.1f}"
