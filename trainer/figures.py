"""The look of every figure: one style, one palette, drawn by matplotlib without a screen. Knows nothing of minds.

A figure is drawn once in the colours of paper. In an SVG each becomes a CSS variable: one picture is light and dark.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PAPER, INK, MUTED, RULE = "#fffdf8", "#1d1c1a", "#6f6a62", "#dcd7cd"
SERIES = ("#2b5c8a", "#b4532a", "#4d7c4a", "#7a4b82", "#a8811f", "#2d7f86")
_VARIABLES = {PAPER: "paper", INK: "ink", MUTED: "muted", RULE: "rule"} | {
    c: f"series-{i}" for i, c in enumerate(SERIES)
}
_FONT = "DejaVu Sans"  # comes with matplotlib, and has Cyrillic
_STYLE = {
    "font.family": _FONT,
    "font.size": 9,
    "text.color": INK,
    "text.hinting": "none",  # else a small letter is a whole number of pixels wide, and columns drift
    "text.parse_math": False,  # a dollar in somebody's text is a dollar
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.titlepad": 9,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.6,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",  # letters stay letters: small, sharp, and in the page's own font
    "svg.hashsalt": "mind-in-a-box",  # the same figure is always the same bytes
}


def style() -> AbstractContextManager[None]:
    """Within it, figures have the house's look."""
    return mpl.rc_context(_STYLE)


def blank(width: float, height: float) -> Figure:
    """A figure of so many inches, beside pyplot's global list of figures."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure on paper."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, facecolor=PAPER, metadata={"Software": None})
    return file.getvalue()


def svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an <svg> to stand in a page: colours are its CSS variables, ids begin with `name`."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None})
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1))
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def drawable(text: str) -> str:
    """`text` with U+FFFD for what the font lacks, line ends as ¶: matplotlib would warn, or break the line."""
    return "".join(c if _has(c) else "\ufffd" for c in text.replace("\n", "¶"))


@cache
def _has(character: str) -> bool:
    return bool(_font().get_char_index(ord(character)))


@cache
def _font() -> font_manager.FT2Font:
    return font_manager.get_font(font_manager.findfont(_FONT))


def shortened(text: str, length: int) -> str:
    """At most `length` characters of `text`, the last of them an ellipsis where it is longer."""
    return text if len(text) <= length else text[: max(0, length - 1)].rstrip() + "…"


def spread(places: Sequence[float], gap: float) -> list[float]:
    """The same places, in their order, moved apart to `gap` and kept within 0…1 where there is room."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    ceiling = 1.0
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved


def number_format(language: str) -> Callable[[float, int], str]:
    """Write (value, decimals) as the language does: 1 234,5 or 1,234.5."""

    def written(value: float, decimals: int = 0) -> str:
        text = f"{value:,.{decimals}f}"
        return text.replace(",", "\u202f").replace(".", ",") if language == "ru" else text

    return written
