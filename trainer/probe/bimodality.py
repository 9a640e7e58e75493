"""Whether something has two modes: what is meant by it, and a test. Knows numbers only.

Two definitions, for the two kinds of things that can be bimodal:

- Shares (of the next token, of attractors) have no order, so "two humps" has no meaning. They are bimodal as far as
  exactly two alternatives hold everything in equal parts: `balance`, from 0 to 1.
- Numbers (the log-probabilities of continuations) are bimodal where their density has more than one local maximum:
  `more_than_one_mode`, Silverman's test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GRID = 256  # points at which a density is looked at
_RESAMPLES = 199
_HALVINGS = 24  # of the interval in which the critical bandwidth lies


def balance(shares: Sequence[float]) -> float:
    """Twice the harmonic mean of the two largest shares.

    1 where two have half each; 2/n where n are equal, so that many alternatives are no fork; 0 where one has it all.
    """
    first, second = (*sorted(shares, reverse=True), 0.0, 0.0)[:2]
    return 4 * first * second / (first + second) if second else 0.0


def more_than_one_mode(values: np.ndarray, dice: np.random.Generator) -> float | None:
    """The p-value of "the density of `values` [N] has one mode" (B. W. Silverman, 1981, JRSS B 43, 97-99).

    The critical bandwidth is the least at which a Gaussian kernel density has one mode: large where two modes stand far
    apart. It is judged by samples from that very density, rescaled to the variance of `values`: p is the share of them
    that show more modes at the same bandwidth. None where there are fewer than 8 values or all are equal.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 8 or np.ptp(values) <= 1e-9 * np.abs(values).max():
        return None
    width = _critical_width(values)
    drawn = dice.choice(values, (_RESAMPLES, len(values))) + width * dice.standard_normal((_RESAMPLES, len(values)))
    mean = values.mean()
    rescaled = mean + (drawn - mean) / np.sqrt(1 + width**2 / values.var())
    return float(np.mean([_modes(sample, width) > 1 for sample in rescaled]))


def _critical_width(values: np.ndarray) -> float:
    """Modes only grow in number as a Gaussian kernel narrows, so halving finds it."""
    low, high = 0.0, float(np.ptp(values))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _modes(values, middle) <= 1 else (middle, high)
    return high


def _modes(values: np.ndarray, width: float) -> int:
    grid = np.linspace(values.min() - width, values.max() + width, _GRID)
    density = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).sum(axis=1)
    rising = np.sign(np.diff(density))
    rising = rising[rising != 0]
    return int(np.sum((rising[:-1] > 0) & (rising[1:] < 0)))
