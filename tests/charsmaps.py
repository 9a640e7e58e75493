"""Character maps as SentencePiece compiles them, small enough to be read."""

from __future__ import annotations

from collections.abc import Mapping

_UNUSED = 1 << 31


def compiled(rules: Mapping[str, str]) -> bytes:
    """The bytes of a map with these rules: each state has a block of 256 units, for its value and its children."""
    states: list[dict[int, int]] = [{}]
    values: dict[int, int] = {}
    results = b"\0"
    for before, after in rules.items():
        state = 0
        for byte in before.encode():
            if byte not in states[state]:
                states[state][byte] = len(states)
                states.append({})
            state = states[state][byte]
        values[state] = len(results)
        results += after.encode() + b"\0"
    units = [_UNUSED] * (256 * (len(states) + 1))
    units[0] = _unit(0, 0, 0, has_value=False)
    for state, children in enumerate(states):
        begin = 256 * (state + 1)
        for byte, child in children.items():
            units[begin + byte] = _unit(begin + byte, byte, child, has_value=child in values)
        if state in values:
            units[begin] = _UNUSED | values[state]
    size = 4 * len(units)
    return size.to_bytes(4, "little") + b"".join(unit.to_bytes(4, "little") for unit in units) + results


def _unit(place: int, byte: int, state: int, *, has_value: bool) -> int:
    return (place ^ 256 * (state + 1)) << 10 | has_value << 8 | byte
