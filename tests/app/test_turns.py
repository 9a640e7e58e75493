"""Turns at the weights: fair, and the same text as alone."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

from chat_app.engine import Engine
from chat_app.mind import open_mind
from chat_app.sampler import Sampling
from chat_app.turns import Turns


def test_nobody_takes_two_turns_while_others_wait() -> None:
    turns, taken = Turns(), []
    ready = threading.Barrier(3)

    def work(name: str) -> None:
        ready.wait()
        for _ in range(200):
            with turns:
                taken.append(name)

    workers = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    with turns:  # all three stand in line before the first is served
        for worker in workers:
            worker.start()
        while len(turns._waiting) < 3:
            pass
    for worker in workers:
        worker.join()
    together = taken[: 3 * min(map(taken[:450].count, "abc"))]
    assert len(together) > 300
    assert all(first != second for first, second in pairwise(together))


def test_two_answers_at_once_are_those_that_each_would_be_alone(babbling: Path) -> None:
    engine = Engine.with_mind(open_mind(babbling))
    prompts = [[5, 6, 7], [50, 40, 30, 20]]
    alone = [list(engine.generate(ids, Sampling(seed=1, max_tokens=60))) for ids in prompts]
    together: list[list[int]] = [[], []]

    def write(number: int) -> None:
        together[number] += engine.sibling().generate(prompts[number], Sampling(seed=1, max_tokens=60))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert together == alone
