"""The report card as one HTML page that asks nothing of any other address. Knows a card and captions."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

from chat_app.mind import Mind
from trainer import report
from trainer.evaluate import captions
from trainer.evaluate.asking import Asked
from trainer.evaluate.card import Card, Group
from trainer.report.numbers import Numbers

_CSS: Final = Path(report.__file__).with_name("page.css")
_OWN_CSS: Final = """\
table.card { width: 100%; }
table.card td:first-child { white-space: normal; }
dl.talk { margin: .8rem 0 2rem; }
dl.talk dt { padding-top: .7rem; border-top: 1px solid var(--rule); color: var(--muted); font: .9rem/1.5 var(--sans); }
dl.talk dd { margin: 0 0 .7rem; overflow-wrap: anywhere; }
dl.talk small { display: block; color: var(--muted); font: .8rem/1.5 var(--sans); }
dl.talk .wrong { color: var(--series-1); }
"""


def page(mind: Mind, card: Card, *, quick: bool) -> str:
    """The whole page. What was said stands in it as text, never as markup."""
    language = mind.manners.language
    numbers = Numbers(language)
    title = mind.title
    body = "\n".join(
        (_head(title, card, quick, language), _figures(card, numbers), _table(card, numbers), _talk(card, language))
    )
    return (
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: {captions.TITLE(language)}</title>\n"
        f"<style>\n{_CSS.read_text('utf-8')}{_OWN_CSS}</style>\n<main>\n{body}\n</main>\n</html>\n"
    )


def _head(title: str, card: Card, quick: bool, language: str) -> str:
    s = card.sampling
    about = [
        f"temperature {s.temperature:g}", f"top_p {s.top_p:g}", f"min_p {s.min_p:g}",
        f"repetition_penalty {s.repetition_penalty:g}", f"no_repeat_ngram {s.no_repeat_ngram}",
        captions.SEED(language, seed=card.seed),
    ]  # fmt: skip
    about += [captions.QUICK(language)] * quick
    return (
        f'<header><p class="eyebrow">{captions.TITLE(language)} · {" · ".join(about)}</p>'
        f'<h1>{escape(title)}</h1><p class="note">{captions.METHOD(language)}</p></header>'
    )


def _figures(card: Card, numbers: Numbers) -> str:
    language = numbers.language
    rows = {
        captions.ENDED_SHARE(language): numbers.percent(card.all.ended),
        captions.LOOPS_SHARE(language): numbers.decimal(card.all.loops_per_100, 1),
        captions.TOKENS(language): numbers.decimal(card.tokens, 1),
        captions.DISTINCT(language): numbers.percent(card.distinct_2),
        captions.CANNED(language): numbers.decimal(card.canned_per_100, 1),
        captions.COPIED(language): numbers.percent(card.copied),
        captions.CYRILLIC(language): numbers.percent(card.cyrillic),
        **{captions.PARTS[part](language): numbers.decimal(bits, 3) for part, bits in card.bits_per_byte.items()},
    }
    inside = "".join(f"<div><dt>{caption}</dt><dd>{figure}</dd></div>" for caption, figure in rows.items())
    return f'<h2>{captions.ALTOGETHER(language)}</h2><dl class="figures">{inside}</dl>'


def _table(card: Card, numbers: Numbers) -> str:
    language = numbers.language
    headings = (captions.GROUP, captions.ASKED, captions.RIGHT, captions.INTERVAL, captions.ENDED, captions.LOOPS)
    head = "".join(f"<th>{heading(language)}</th>" for heading in headings)
    rows = [_row(captions.GROUPS[name](language), group, numbers) for name, group in card.groups.items()]
    total = _row(captions.ALL(language), card.all, numbers).replace("<tr>", '<tr class="total">', 1)
    return (
        f'<h2>{captions.GROUP(language)}</h2><div class="scroll"><table class="card">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}{total}</tbody></table></div>"
    )


def _row(caption: str, group: Group, numbers: Numbers) -> str:
    interval = "" if group.low is None else f"{numbers.percent(group.low)} … {numbers.percent(group.high)}"
    cells = (
        numbers.whole(group.asked), numbers.percent(group.right), interval, numbers.percent(group.ended),
        numbers.decimal(group.loops_per_100, 1),
    )  # fmt: skip
    return f"<tr><td>{caption}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _talk(card: Card, language: str) -> str:
    """Group by group, what was wrong first."""
    parts = [f"<h2>{captions.TALK(language)}</h2>"]
    for name in card.groups:
        said = sorted(
            (each for each in card.asked if each.probe.group == name), key=lambda each: each.right is not False
        )
        inside = "".join(_exchange(each, language) for each in said)
        parts.append(
            f'<details><summary>{captions.GROUPS[name](language)}</summary><dl class="talk">{inside}</dl></details>'
        )
    return "".join(parts)


def _exchange(asked: Asked, language: str) -> str:
    lines = [f"<dt>{escape(line)}</dt><dd>{escape(text)}</dd>" for line, text in zip(asked.probe.lines, asked.texts)]
    notes = [f'<span class="wrong">{captions.WRONG(language)}</span>'] * (asked.right is False)
    notes += [captions.WANTED(language, wanted=escape(asked.probe.wanted))] * (asked.right is False)
    notes += [captions.ENDLESS(language)] * (not asked.ended) + [captions.LOOPED(language)] * asked.looped
    note = f"<small>{' · '.join(notes)}</small>" if notes else ""
    return f"{''.join(lines).removesuffix('</dd>')}{note}</dd>"
