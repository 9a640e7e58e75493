"""The same work on many items in several processes: results come in the items' order, whoever was first."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, TypeVar

from trainer.errors import StageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_ON_WINDOWS: Final = 61  # ProcessPoolExecutor cannot wait for more there

_work: Callable[[Any], Any]  # what this process was started for


def available() -> int:
    """How many processes this machine runs at once."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, _MOST_ON_WINDOWS) if sys.platform == "win32" else count


def in_order(work: Callable[[Item], Result], items: Iterable[Item], processes: int) -> Iterator[Result]:
    """Yield `work(item)` of each item; `work` and items must be picklable, and what an item gives must be its own.

    Two items a process wait in memory at most. Fewer items than processes are done here: starting costs a second.
    StageError when a process is killed.
    """
    items = iter(items)
    first = list(itertools.islice(items, processes))
    if processes < 2 or len(first) < processes:
        yield from map(work, itertools.chain(first, items))
        return
    # Spawned, not forked: a fork inherits the locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _begin, (work,))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in itertools.chain(first, items):
            waiting.append(pool.submit(_do, item))
            if len(waiting) == 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise StageError("A process was killed, perhaps for want of memory: free some and try again.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def batched(items: Iterable[Item], limit: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Items in lists that end as soon as their sizes come to `limit`: worth the sending to a process, yet small."""
    batch, total = list[Item](), 0
    for item in items:
        batch.append(item)
        total += size(item)
        if total >= limit:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _begin(work: Callable[[Any], Any]) -> None:
    global _work  # noqa: PLW0603  # a process has one work in its life
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """A parent that was killed tells nobody, and its processes would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(item: Any) -> Any:
    return _work(item)
