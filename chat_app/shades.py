"""A mind's thoughts as lines for a screen: shades of probability, a line of entropy, bars. Knows no terminal.

A line is made of parts, each a text and the name of its shade; the text alone says all of it where there is no colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chat_app import language
from chat_app.attraction import Group
from chat_app.look import Alternative, Token
from chat_app.text import columns, printable

Line = list[tuple[str, str]]  # (shade, text)

_BOUNDS: Final = (0.5, 0.2, 0.05, 0.01, 0.0)  # each shade begins at its probability
SHADES: Final = ("sure", "likely", "possible", "unlikely", "surprising")
_HEIGHTS: Final = "▁▂▃▄▅▆▇█"
_BAR: Final = 20  # columns
_GAP: Final = "   "  # between the parts of a legend
_NUMBERED: Final = 10  # every tenth token has its number above


@dataclass(frozen=True, slots=True)
class Canvas:
    """What can be drawn: columns, whether shades are seen, and whether lines are read aloud rather than looked at."""

    width: int = 80
    shaded: bool = False
    aloud: bool = True


ALOUD: Final = Canvas()


def text_of(line: Line) -> str:
    """The line without shades."""
    return "".join(text for _, text in line)


def share(probability: float, lang: str) -> str:
    """A probability in per cent, as exact as it deserves."""
    percent = 100 * probability
    number = "<0.1" if percent < 0.05 else f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"
    number = number.removesuffix(".0")
    return f"{number.replace('.', ',')} %" if lang == "ru" else f"{number}%"


def bits(entropy: float, lang: str) -> str:
    """An entropy in bits, with one digit after the point."""
    return language.number(entropy, lang, 1)


def name(token: Token | Alternative) -> str:
    """What a token is called in a list: its text with spaces and line ends made visible, else its piece."""
    return printable(token.text).replace(" ", "␣").replace("\n", "⏎") or printable(token.piece)


def _shade(probability: float) -> str:
    return next(shade for shade, bound in zip(SHADES, _BOUNDS, strict=True) if probability >= bound)


# --- an answer ------------------------------------------------------------------------------------------------------


def answer(tokens: Sequence[Token], canvas: Canvas, lang: str) -> list[Line]:
    """Every token with its probability and its entropy: under the text itself, or as a list where shades are unseen."""
    most = max(1.0, *(token.entropy for token in tokens))
    heights: Line = [("remark", language.HEIGHTS(lang, most=bits(most, lang)))]
    if canvas.aloud:
        return [[("", _aloud(number, token, lang))] for number, token in enumerate(tokens, 1)]
    if not canvas.shaded:
        return [*_in_columns(tokens, most, canvas.width, lang), heights]
    lines = [line for row in _rows(list(enumerate(tokens, 1)), canvas.width) for line in _drawn(row, most)]
    return [*lines, *_legend(canvas.width, lang), heights]


def _aloud(number: int, token: Token, lang: str) -> str:
    size, torn = share(token.probability, lang), bits(token.entropy, lang)
    return language.TOKEN_ALOUD(lang, number=number, name=name(token), share=size, bits=torn)


def _height(entropy: float, most: float) -> str:
    return _HEIGHTS[min(len(_HEIGHTS) - 1, int(len(_HEIGHTS) * entropy / most))]


def _in_columns(tokens: Sequence[Token], most: float, width: int, lang: str) -> Iterator[Line]:
    """Cells such as "7 река 34 % ▃", side by side in as many columns as there is room for."""
    cells = [
        f"{number} {name(token)} {share(token.probability, lang)} {_height(token.entropy, most)}"
        for number, token in enumerate(tokens, 1)
    ]
    wide = max(map(columns, cells)) + 2
    per_row = max(1, width // wide)
    for first in range(0, len(cells), per_row):
        row = cells[first : first + per_row]
        yield [("", "".join(cell + " " * (wide - columns(cell)) for cell in row).rstrip())]


def _rows(tokens: list[tuple[int, Token]], width: int) -> Iterator[list[tuple[int, Token]]]:
    """Numbered tokens in rows of the screen, broken between words where that can be."""
    row: list[tuple[int, Token]] = []
    taken = 0
    for word in _words(tokens):
        for place, (number, token) in enumerate(word):
            needed = _size(token) if place else sum(_size(each) for _, each in word)
            if row and (taken + needed >= width or row[-1][1].text.endswith("\n")):
                yield row
                row, taken = [], 0
            row.append((number, token))
            taken += _size(token)
    yield row


def _words(tokens: list[tuple[int, Token]]) -> Iterator[list[tuple[int, Token]]]:
    """A word begins with a space, and ends at a line's end."""
    word: list[tuple[int, Token]] = []
    for each in tokens:
        if word and (each[1].text.startswith((" ", "\n")) or word[-1][1].text.endswith("\n")):
            yield word
            word = []
        word.append(each)
    yield word


def _seen(token: Token) -> str:
    """The token's text in its row."""
    return printable(token.text).replace("\n", "⏎")


def _size(token: Token) -> int:
    return columns(_seen(token))


def _drawn(row: list[tuple[int, Token]], most: float) -> Iterator[Line]:
    """Numbers above, the text in shades, entropies below."""
    numbers, column = "", 0
    for number, token in row:
        if (not numbers or number % _NUMBERED == 0) and len(numbers) <= column and _size(token):
            numbers = (numbers.ljust(column) + str(number)) + " "
        column += _size(token)
    yield [("scale", numbers.rstrip())]
    yield [(_shade(token.probability), _seen(token)) for _, token in row]
    yield [("scale", "".join(_height(token.entropy, most) * _size(token) for _, token in row))]


def _legend(width: int, lang: str) -> Iterator[Line]:
    edges = [share(bound, lang) for bound in _BOUNDS[:-1]]
    named = [f"■ ≥ {edge}" for edge in edges] + [f"■ < {edges[-1]}"]
    line: Line = []
    for shade, words in zip(SHADES, named, strict=True):
        if line and columns(text_of(line)) + len(_GAP) + columns(words) >= width:
            yield line
            line = []
        line += [("", _GAP)] * bool(line) + [(shade, words)]
    yield line


# --- one token ------------------------------------------------------------------------------------------------------


def alternatives(number: int, token: Token, canvas: Canvas, lang: str) -> list[Line]:
    """What might have stood at this place, numbered for /fork, the one that does stand there marked."""
    head = language.TOKEN_IS(
        lang, number=number, name=name(token), share=share(token.probability, lang), bits=bits(token.entropy, lang)
    )
    lines: list[Line] = [[("", head)]]
    wide = max((columns(name(other)) for other in token.alternatives), default=0)
    for place, other in enumerate(token.alternatives, 1):
        here = other.id == token.id
        if canvas.aloud:
            mark = language.STANDS_HERE(lang) if here else ""
            lines.append([("", f"{place}. {name(other)}: {share(other.probability, lang)}{mark}")])
            continue
        padded = name(other) + " " * (wide - columns(name(other)))
        room = canvas.width - wide - len(f" {place}  ") - 14  # beside the share, the mark, and gaps
        lines.append([
            ("", f" {place}  "), (_shade(other.probability), padded), ("", f"  {share(other.probability, lang):>7}  "),
            ("remark", _bar(other.probability, room)), ("", "←" if here else ""),
        ])  # fmt: skip
    lines.append([("remark", language.FORK_HINT(lang, number=number))])
    return lines


def _bar(probability: float, room: int) -> str:
    """At most `_BAR` columns for a probability of 1, or as many as there is room for."""
    size = round(probability * max(0, min(_BAR, room)))
    return "█" * size + " " * bool(size)


# --- many answers ---------------------------------------------------------------------------------------------------


def one_line(text: str, width: int | None) -> str:
    """The beginning of a text, in one line of at most so many columns; all of it where no width is given."""
    text = " ".join(printable(text).split())
    if width is None or columns(text) <= width:
        return text
    while text and columns(text) >= width:
        text = text[:-1]
    return text + "…"


def groups(found: Sequence[Group], total: int, canvas: Canvas, lang: str) -> list[Line]:
    """The groups of continuations with their shares: how they begin, where they come to."""
    lines: list[Line] = []
    for kind, heading in (("beginning", language.BEGINNINGS), ("ending", language.ENDINGS)):
        of_kind = [group for group in found if group.kind == kind]
        lines.append([("name", heading(lang))])
        lines += [_group(group, canvas, lang) for group in of_kind]
        alone = total - sum(len(group.members) for group in of_kind)
        if alone:
            lines.append([("remark", language.SCATTERED(lang, count=alone, share=share(alone / total, lang)))])
    return lines


def _group(group: Group, canvas: Canvas, lang: str) -> Line:
    size = share(group.share, lang)
    if canvas.aloud:
        return [("", f"{size}: {one_line(group.label, None)}")]
    before = f"{size:>6}  "
    bar = _bar(group.share, canvas.width // 4)
    room = max(10, canvas.width - len(before) - len(bar) - 1)
    return [("", before), ("remark", bar), ("", one_line(group.label, room))]
