"""What a report draws: each panel first as plain data, then by matplotlib. Knows findings; knows no HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from trainer import figures
from trainer.report import captions
from trainer.report.findings import Findings, Stage, held_out_loss

_LABEL = 16  # characters of a name beside a line
_LETTER = 0.077  # inches, about
_LINE = 0.16  # inches between two labels
_SIZE, _MINOR_SIZE = (4.3, 2.6), (3.0, 2.1)  # inches; a phone is about as wide as the first
_BELOW, _ABOVE, _BESIDE = 0.46, 0.34, 0.5  # inches that an axis takes


@dataclass(frozen=True, slots=True)
class Line:
    """x and y [N], with the label that stands at its end."""

    label: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot. `levels` are horizontal lines by name; `mark` is a point worth a ring; a `minor` one begins at zero."""

    name: str
    title: str
    x_label: str
    lines: list[Line]
    decimals: int
    levels: dict[str, float] = field(default_factory=dict)
    mark: tuple[float, float] | None = None
    minor: bool = False
    logarithmic: bool = False

    @property
    def margin(self) -> float:
        """Inches that the names at the lines' ends take."""
        letters = [len(figures.shortened(line.label, _LABEL)) for line in self.lines if line.label]
        return 0.15 + _LETTER * (max(letters) + 6) if letters else 0.1


def of_stage(stage: Stage, baselines: dict[str, float], language: str) -> list[Panel]:
    """The panels of one stage of training, those without a single point left out."""
    x_label = captions.ITERATION(language)

    train, held_out = captions.TRAIN(language), captions.HELD_OUT(language)
    loss = [
        _line(train, stage.series("train"), 1, faint=True),
        _line(held_out, stage.series("val"), 0),
        _line(captions.AVERAGED(language), stage.series("ema_val"), 2),
    ]
    bits = [_line(held_out, stage.series("bits_per_byte"), 0)]
    if len(stage.sources) > 1:
        bits = [_line(captions.ALL_SOURCES(language), stage.series("bits_per_byte"), 0)]
        for number, name in enumerate(stage.sources, 1):
            bits.append(_line(name, stage.series("sources", name), number, faint=True))
    rewards = [
        _line(captions.GOOD(language), stage.series("chosen"), 0),
        _line(captions.BAD(language), stage.series("rejected"), 1),
        _line("z_ref", stage.series("z_ref"), 2, faint=True),
    ]
    keys = ("lr_ratio", "tokens_per_second", "kl", "accuracy", "loops")
    rate, speed, kl, accuracy, loops = (_line("", stage.series(key), 0) for key in keys)
    iterations, megabytes = stage.series("memory_mb")
    memory = _line("", (iterations, megabytes / 1000), 0)
    best = stage.best
    panels = [
        Panel("loss", captions.LOSS(language), x_label, loss, 3, mark=_point(best, held_out_loss(best))),
        Panel("bits", captions.BITS(language), x_label, bits, 3, baselines, _point(best, best.get("bits_per_byte"))),
        Panel("kl", captions.KL(language), x_label, [kl], 3, mark=_point(best, best.get("kl"))),
        Panel("rewards", captions.REWARDS(language), x_label, rewards, 2),
        Panel("accuracy", captions.ACCURACY(language), x_label, [accuracy], 2, minor=True),
        Panel("loops", captions.LOOPS(language), x_label, [loops], 1, minor=True),
        Panel("rate", captions.RATE(language), x_label, [rate], 2, minor=True),
        Panel("speed", captions.SPEED(language), x_label, [speed], 0, minor=True),
        Panel("memory", captions.MEMORY(language), x_label, [memory], 1, minor=True),
    ]
    drawn = [replace(panel, lines=[line for line in panel.lines if len(line.x)]) for panel in panels]
    return [panel for panel in drawn if panel.lines]


def _line(label: str, points: tuple[np.ndarray, np.ndarray], colour: int, *, faint: bool = False) -> Line:
    return Line(label, *points, figures.SERIES[colour % len(figures.SERIES)], faint)


def of_vocabulary(findings: Findings, language: str) -> list[Panel]:
    """Count against rank of the most frequent pieces, where there are enough of them to see Zipf's law."""
    counts = np.array([count for _, count in findings.vocabulary.get("most_frequent") or []], np.float64)
    counts = np.sort(counts[counts > 0])[::-1]
    if len(counts) < 10:
        return []
    line = Line("", np.arange(1, len(counts) + 1), counts, figures.SERIES[0])
    return [Panel("zipf", captions.ZIPF(language), captions.RANK(language), [line], 0, logarithmic=True)]


def _point(row: dict[str, float], value: float | None) -> tuple[float, float] | None:
    return None if value is None else (row["iteration"], value)


def draw(axes: Axes, panel: Panel, language: str) -> None:
    """Put the panel on axes: lines named at their ends, units in the title, few ticks."""
    written = figures.number_format(language)
    for line in panel.lines:
        alone = len(line.x) == 1
        axes.plot(
            line.x, line.y, color=line.colour, linewidth=1.1 if line.faint else 1.7, marker="o" if alone else None,
            markersize=4, zorder=2 if line.faint else 3,
        )  # fmt: skip
    for value in panel.levels.values():
        axes.axhline(value, color=figures.MUTED, linewidth=0.9, dashes=(4, 3), zorder=1)
    if panel.mark:
        axes.plot(
            *panel.mark, "o", markersize=6, markerfacecolor=figures.PAPER, markeredgecolor=figures.SERIES[0], zorder=4
        )
    width, height = axes.get_position().size * axes.figure.get_size_inches()
    axes.set_title(panel.title, x=-_BESIDE / width)
    axes.set_xlabel(panel.x_label, loc="right")
    _scale(axes, panel, language)
    labels = [(line.label, line.y[-1], line.colour) for line in panel.lines if line.label]
    labels += [(name, value, figures.MUTED) for name, value in panel.levels.items()]
    low, high = axes.get_ylim()
    places = figures.spread([(value - low) / (high - low) for _, value, _ in labels], _LINE / height)
    for (name, value, colour), place in zip(labels, places):
        text = f"{figures.shortened(figures.drawable(name), _LABEL)} {written(value, panel.decimals)}"
        axes.text(1 + 0.08 / width, place, text, color=colour, transform=axes.transAxes, va="center", ha="left")


def _scale(axes: Axes, panel: Panel, language: str) -> None:
    written = figures.number_format(language)
    if panel.logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
        last = len(panel.lines[0].x)
        axes.xaxis.set_major_locator(FixedLocator([rank for rank in (1, 3, 10, 30, 100, 300, 1000) if rank <= last]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
        axes.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
        return
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(3 if panel.minor else 4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    if panel.minor:
        axes.set_ylim(0, 1.12 * max(line.y.max() for line in panel.lines) or 1)
    ticks = axes.get_yticks()
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, decimals)))


def _power_of_ten(value: float, _: int) -> str:
    return "10" + str(round(math.log10(value))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _place(figure: Figure, panel: Panel, left: float, bottom: float, margin: float) -> Axes:
    """Axes for the panel whose lower left corner is there, in inches."""
    width, height = _MINOR_SIZE if panel.minor else _SIZE
    inside = (left + _BESIDE, bottom + _BELOW, width - _BESIDE - margin, height - _BELOW - _ABOVE)
    whole = (*figure.get_size_inches(), *figure.get_size_inches())
    return figure.add_axes(tuple(inches / size for inches, size in zip(inside, whole)))


def as_svg(panel: Panel, name: str, language: str) -> str:
    """The panel alone."""
    with figures.style():
        figure = figures.blank(*(_MINOR_SIZE if panel.minor else _SIZE))
        draw(_place(figure, panel, 0, 0, panel.margin), panel, language)
        return figures.svg(figure, name, panel.title)


def as_png(panels: list[Panel], title: str, language: str) -> bytes:
    """All panels on one sheet: two in a row, the minor ones three."""
    major, minor = [p for p in panels if not p.minor], [p for p in panels if p.minor]
    rows = [major[i : i + 2] for i in range(0, len(major), 2)] + [minor[i : i + 3] for i in range(0, len(minor), 3)]
    heights = [(_MINOR_SIZE if row[0].minor else _SIZE)[1] + 0.25 for row in rows]
    sheet, edge, top = 2 * _SIZE[0] + 0.9, 0.3, 0.4
    with figures.style():
        figure = figures.blank(sheet, sum(heights) + top + 0.1)
        y = figure.get_figheight() - top
        figure.text(
            edge / sheet, (y + 0.05) / figure.get_figheight(), figures.drawable(title), fontsize=15, weight="bold"
        )
        for row, height in zip(rows, heights):
            y -= height
            width = (_MINOR_SIZE if row[0].minor else _SIZE)[0]
            step = (sheet - 2 * edge - width) / (2 if row[0].minor else 1)
            for number, panel in enumerate(row):
                draw(_place(figure, panel, edge + number * step, y, panel.margin), panel, language)
        return figures.png(figure)
