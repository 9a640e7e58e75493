"""Progress bars of the stages that read text: in a terminal they move, anywhere else they are silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bar(title: str, total: int, *, of_bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a bar until the block ends; the function given moves it on by so many bytes or pieces of `total`."""
    console = rich.get_console()
    amount = DownloadColumn() if of_bytes else MofNCompleteColumn()
    columns = (TextColumn(title), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.advance(task, done)
