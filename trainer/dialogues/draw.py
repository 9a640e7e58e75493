"""Chance that a name alone decides: the same on every machine, whatever else there is."""

from __future__ import annotations

import hashlib


def fraction(name: str) -> float:
    """A number from 0 up to, not including, 1."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) / (1 << 48)
