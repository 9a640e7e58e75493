"""Findings as tables for the terminal. Knows what was measured and how to name it in English."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trainer.figures import shortened
from trainer.probe import bimodality, tree
from trainer.probe.experiment import Finding
from trainer.shares import wilson

_TEXT = 60  # letters of a continuation
_WORTH_TELLING = 0.003  # of all probability at the fork


def of(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """One table that compares the prompts, then each prompt's attractors and its fork."""
    yield _comparison(findings)
    for finding in findings:
        yield _attractors(finding)
        yield _fork(finding)


def _comparison(findings: Sequence[Finding]) -> Table:
    table = Table(title="How fixed is the way", title_justify="left", title_style="bold")
    table.add_column("prompt")
    for heading in ("tokens all share", "tokens two share", "modal continuation", "attractors", "scattered"):
        table.add_column(heading, justify="right")
    for finding in findings:
        modal, count = tree.modal(finding.root), finding.root.count
        low, high = wilson(modal.count, count)
        table.add_row(
            Text(_line(finding.prompt)), str(tree.fixed(finding.root)), f"{tree.common_prefix(finding.root):.1f}",
            f"{modal.count / count:.0%} ({low:.0%}…{high:.0%})", str(len(finding.attractors)),
            f"{finding.scattered:.0%}",
        )  # fmt: skip
    return table


def _attractors(finding: Finding) -> Table:
    table = Table(title=Text(f"Where it ends: {_line(finding.prompt)} …"), title_justify="left", title_style="bold")
    table.add_column("share", justify="right")
    table.add_column("95 %", justify="right")
    table.add_column("the most central continuation")
    table.add_column("typical words")
    for found in finding.attractors:
        low, high = found.interval
        central = Text(_ending(finding.texts[found.central]))
        table.add_row(f"{found.share:.0%}", f"{low:.0%}…{high:.0%}", central, Text(", ".join(found.typical)))
    if finding.scattered:
        table.add_row(f"{finding.scattered:.0%}", "", Text("each its own way", style="dim"), "")
    balance = bimodality.balance([found.share for found in finding.attractors])
    modes = "" if finding.two_modes is None else f"; one mode of log-probability: p = {finding.two_modes:.3f}"
    table.caption = f"bimodality of the shares {balance:.2f}{modes}"
    table.caption_justify = "left"
    return table


def _fork(finding: Finding) -> Text:
    fork = finding.fork
    following = ", ".join(f"{piece!r} {share:.3f}" for piece, share in fork.following if share >= _WORTH_TELLING)
    found = Text.assemble(
        ("The fork", "bold"), f" at token {fork.step}, after …{_ending(finding.prompt + fork.written)}: {following}; "
        f"bimodality {fork.balance:.2f}, entropy {fork.node.entropy or 0:.2f} bits",
    )  # fmt: skip
    if fork.decides is not None:
        found.append(f"; decides {fork.decides:.0%} of where it ends (p = {fork.p_value:.3f})")
    return found.append("\n")


def _line(text: str) -> str:
    return shortened(text.replace("\n", "¶"), _TEXT)


def _ending(text: str) -> str:
    return text.replace("\n", "¶")[-_TEXT:]
