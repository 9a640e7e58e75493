"""One prompt's finding as a picture: the tree of continuations, its attractors, the entropy on the way, the fork.

Every row of the tree is one continuation, every column one letter; what several share is written once, as high as they
are many. Grey is still open, a colour is an attractor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from chat_app.language import Phrase
from trainer import figures
from trainer.probe import attractors, tree
from trainer.probe.experiment import Finding
from trainer.probe.tree import Node
from trainer.shares import wilson

LEGEND: Final = Phrase(
    "Продолжений {count}, температура {temperature}; общее написано один раз, цвет — куда придёт",
    "{count} continuations, temperature {temperature}; what they share stands once, the colour is where they end",
)
ENDS: Final = Phrase("Куда приходит", "Where it ends")
ENTROPY: Final = Phrase("Энтропия следующего токена, бит", "Entropy of the next token, bits")
STEP: Final = Phrase("токенов после начала", "tokens after the prompt")
FORK: Final = Phrase("Развилка после «{written}»", "The fork after “{written}”")
FIRST_FORK: Final = Phrase("Развилка сразу за началом", "The fork at once")
SCATTERED: Final = Phrase("врозь", "scattered")
LETTERS: Final = Phrase("знаков после начала", "letters after the prompt")

_LETTER, _ROW = 0.05434, 0.108  # inches of monospaced type at 6.5 points
_SMALLEST_ROW = 0.02  # without letters
_TALLEST, _WIDEST, _NARROWEST = 12.0, 11.0, 2.6  # inches of the tree
_SIDE, _EDGE, _TOP, _BETWEEN, _BELOW = 3.7, 0.35, 0.95, 0.55, 0.5  # inches around it
_SHOWN = 5  # attractors, and ids at the fork
_WORTH_SHOWING = 0.003  # of all probability at the fork
_AGREED = 2 / 3  # of the samples of a branch, and it has the attractor's colour


def draw(finding: Finding, decode: Callable[[list[int]], str], language: str) -> Figure:
    """The whole figure; `decode` turns the ids of a continuation into its text."""
    rows = max(_SMALLEST_ROW, min(_ROW, _TALLEST / finding.root.count))
    letters = max((len(text) for text in finding.texts), default=1)
    width = min(_WIDEST, max(_NARROWEST, letters * _LETTER))
    height = max(6.6, finding.root.count * rows)
    with figures.style():
        figure = figures.blank(width + _BETWEEN + _SIDE + 2 * _EDGE, height + _TOP + _BELOW)
        whole = figure.get_size_inches()
        title = figures.shortened(figures.drawable(finding.prompt), int(whole[0] / 0.14))
        temperature = figures.number_format(language)(finding.settings.temperature, 2)
        legend = LEGEND(language, count=finding.root.count, temperature=temperature)
        figure.text(_EDGE / whole[0], 1 - 0.4 / whole[1], f"{title} …", fontsize=14, weight="bold")
        figure.text(_EDGE / whole[0], 1 - 0.68 / whole[1], legend, color=figures.MUTED)

        def place(left: float, bottom: float, wide: float, high: float) -> Axes:
            return figure.add_axes((left / whole[0], bottom / whole[1], wide / whole[0], high / whole[1]))

        _tree(place(_EDGE, _BELOW, width, height), finding, decode, round(width / _LETTER), language)
        left, part = _EDGE + width + _BETWEEN, height / 3
        _shares(place(left, _BELOW + 2 * part + 0.15, _SIDE, part - 0.4), finding, language)
        _entropy(place(left, _BELOW + part + 0.2, _SIDE, part - 0.75), finding, language)
        _fork(place(left + 0.5, _BELOW, _SIDE - 0.5, part - 0.7), finding, language)
    return figure


def _colour(number: int) -> str:
    return figures.MUTED if number == attractors.SCATTERED else figures.SERIES[number % len(figures.SERIES)]


def _tree(axes: Axes, finding: Finding, decode: Callable[[list[int]], str], letters: int, language: str) -> None:
    """Rows from the top in the order of the tree, columns in letters."""
    labels = attractors.labels(finding.attractors, len(finding.texts))
    count = finding.root.count
    axes.set(xlim=(0, letters), ylim=(count, 0))
    axes.yaxis.set_visible(False)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(LETTERS(language), loc="right")
    inches = axes.get_position().height * axes.figure.get_figheight() / count
    waiting: list[tuple[Node, list[int], int]] = [(child, [], top) for child, top in _below(finding.root, 0)]
    while waiting:
        node, before, top = waiting.pop()
        ids, start = [*before, node.token], len(decode(before))
        while len(node.children) == 1 and node.children[0].count == node.count:  # the same samples go on
            node = node.children[0]
            ids.append(node.token)
        text = decode(ids)[start:]
        colour, agreed = _fate(labels[top : top + node.count])
        axes.add_patch(
            Rectangle(
                (start, top), len(text), node.count, facecolor=colour, alpha=0.26 if agreed else 0.13, linewidth=0
            )
        )
        axes.plot([start, start], [top + 0.12, top + node.count - 0.12], color=colour, linewidth=0.8)
        if node.count * inches >= _ROW * 0.85:
            shown = figures.drawable(text[: max(0, letters - start)])
            axes.text(
                start + 0.25, top + node.count / 2, shown, family="DejaVu Sans Mono", fontsize=6.5,
                va="center_baseline", color=figures.INK,
            )  # fmt: skip
        waiting += [(child, ids, below) for child, below in reversed(_below(node, top))]


def _below(node: Node, top: int) -> list[tuple[Node, int]]:
    """The children with their first rows; those samples that end here come before them, as in `tree.paths`."""
    row = top + node.count - sum(child.count for child in node.children)
    placed = []
    for child in node.children:
        placed.append((child, row))
        row += child.count
    return placed


def _fate(labels: list[int]) -> tuple[str, bool]:
    """The colour of the attractor in which most of these samples end, and whether there is one."""
    values, counts = np.unique(labels, return_counts=True)
    number = int(values[counts.argmax()])
    agreed = counts.max() >= _AGREED * len(labels) and number != attractors.SCATTERED
    return _colour(number if agreed else attractors.SCATTERED), agreed


def _shares(axes: Axes, finding: Finding, language: str) -> None:
    shown = finding.attractors[:_SHOWN]
    rows = [(_colour(i), found.share, found.interval, finding.texts[found.central]) for i, found in enumerate(shown)]
    if finding.scattered > 0:
        alone = round(finding.scattered * len(finding.texts))
        interval = wilson(alone, len(finding.texts))
        rows.append((figures.MUTED, finding.scattered, interval, SCATTERED(language)))
    axes.set_title(ENDS(language))
    axes.set(xlim=(0, 1), ylim=(max(3, len(rows)) - 0.1, -0.55))
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %" if language == "ru" else "%"))
    axes.yaxis.set_visible(False)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    for row, (colour, share, (low, high), text) in enumerate(rows):
        axes.barh(row + 0.32, share, 0.34, color=colour, alpha=0.55, linewidth=0)
        axes.plot([low, high], [row + 0.32] * 2, color=colour, linewidth=1.3, solid_capstyle="butt")
        axes.text(
            0, row + 0.06, "…" + figures.shortened(figures.drawable(text)[-46:], 46) if row < len(shown) else text,
            fontsize=7.5, color=figures.INK, va="bottom",
        )  # fmt: skip


def _entropy(axes: Axes, finding: Finding, language: str) -> None:
    bits = tree.entropies(finding.root)
    axes.plot(range(len(bits)), bits, color=figures.SERIES[0])
    axes.plot(finding.fork.step, finding.fork.node.entropy, "o", color=figures.SERIES[1], markersize=5, zorder=3)
    axes.set_title(ENTROPY(language))
    axes.set_xlabel(STEP(language), loc="right")
    axes.set_ylim(0, 1.15 * max(*bits, finding.fork.node.entropy or 0, 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    written = figures.number_format(language)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, 1)))


def _fork(axes: Axes, finding: Finding, language: str) -> None:
    fork = finding.fork
    before = figures.drawable(finding.prompt + fork.written)[-22:]
    axes.set_title(FORK(language, written="…" + before) if fork.written else FIRST_FORK(language), x=-0.5 / 3.2)
    shown = [(piece, share) for piece, share in fork.following[:_SHOWN] if share >= _WORTH_SHOWING]
    names = [figures.shortened(figures.drawable(piece).replace(" ", "␣").replace("▁", "␣"), 8) for piece, _ in shown]
    rows = range(len(shown))
    axes.barh(rows, [share for _, share in shown], 0.62, color=figures.SERIES[1], alpha=0.7, linewidth=0)
    axes.set_yticks(rows, names)
    axes.set(xlim=(0, 1), ylim=(max(4, len(shown)) - 0.4, -0.6))
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %" if language == "ru" else "%"))
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", colors=figures.INK)
