"""How far a share that was counted can be trusted. Knows numbers only."""

from __future__ import annotations

import math
from typing import Final

_Z: Final = 1.959964  # of 95 %


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, 1927, JASA 22, 209-212): sound near 0 and 1 too."""
    share, spread = count / total, _Z**2 / total
    middle = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
