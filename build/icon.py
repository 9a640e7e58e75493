"""Draws the homunculus in its flask, as the page shows it, and writes it as .ico. Knows shapes and pixels."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np

Plane = np.ndarray  # of bool or float, [side, side]
Point = tuple[float, float]

GROUND: Final = (250, 246, 240)
FIGURE: Final = (181, 101, 47)
FINE: Final = 4  # samples along each side of a pixel
# The drawing measures 48 by 48, as the page's own icon does.
CENTRE, RADIUS, HALF_STROKE, HALF_NECK = (24.0, 29.5), 15.0, 1.5, 4.0
STROKES: Final[tuple[tuple[Point, Point], ...]] = (
    ((18, 4), (30, 4)), ((20, 4), (20, 15)), ((28, 4), (28, 15)), ((21, 33.4), (16, 30.4)), ((27, 33.4), (32, 30.4)),
)  # fmt: skip
ICO: Final = (16, 24, 32, 48, 64, 256)


def draw(side: int) -> np.ndarray:
    """The picture: uint8 [side, side, RGBA], a figure on a tile with round corners."""
    steps = (np.arange(side * FINE) + 0.5) * 48 / (side * FINE)
    x, y = np.meshgrid(steps, steps)  # [side * FINE, side * FINE]
    tile, figure = (_coarse(shape, side) for shape in (_tile(x, y), _figure(x, y)))  # [side, side], 0 to 1
    colour = figure[..., None] * FIGURE + (1 - figure[..., None]) * np.array(GROUND)
    return np.dstack([colour, tile * 255]).round().astype(np.uint8)


def _coarse(shape: Plane, side: int) -> Plane:
    return np.asarray(shape.reshape(side, FINE, side, FINE).mean((1, 3)))


def _tile(x: Plane, y: Plane, corner: float = 9) -> Plane:
    outside = [np.maximum(np.abs(axis - 24) - (24 - corner), 0) for axis in (x, y)]
    return np.asarray(np.hypot(*outside) <= corner)


def _figure(x: Plane, y: Plane) -> Plane:
    """The flask, the homunculus's head and body, and its arms."""
    from_centre = np.hypot(x - CENTRE[0], y - CENTRE[1])
    open_above = (np.abs(x - CENTRE[0]) < HALF_NECK) & (y < CENTRE[1])
    flask = (np.abs(from_centre - RADIUS) <= HALF_STROKE) & ~open_above
    head = np.hypot(x - 24, y - 26) <= 4
    body = (np.hypot((x - 24) / 4.9, (y - 38.5) / 8) <= 1) & (from_centre < RADIUS - 2.5)
    lines = [_distance(x, y, *stroke) <= HALF_STROKE for stroke in STROKES]
    return np.asarray(np.logical_or.reduce([flask, head, body, *lines]))


def _distance(x: Plane, y: Plane, start: Point, end: Point) -> Plane:
    """From every point to the nearest of the line from `start` to `end`."""
    (ax, ay), dx, dy = start, end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - ax - along * dx, y - ay - along * dy)


def png(picture: np.ndarray) -> bytes:
    """A picture of `draw` as a PNG file."""
    side = len(picture)
    lines = b"".join(b"\0" + line.tobytes() for line in picture)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def ico() -> bytes:
    """All sizes for Windows."""
    pictures = [png(draw(side)) for side in ICO]
    start = 6 + 16 * len(ICO)
    header = struct.pack("<HHH", 0, 1, len(ICO))
    for side, picture in zip(ICO, pictures):
        header += struct.pack("<BBBBHHII", side % 256, side % 256, 0, 0, 1, 32, len(picture), start)
        start += len(picture)
    return header + b"".join(pictures)


def file(folder: Path) -> str:
    """The icon as a file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "icon.ico").write_bytes(ico())
    return str(folder / "icon.ico")
