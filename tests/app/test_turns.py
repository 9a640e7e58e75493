"""Turns at the weights: fair, and the same text as alone."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from chat_app.engine import Engine
from chat_app.mind import open_mind
from chat_app.sampler import Sampling
from chat_app.turns import Turns


def waiting(turns: Turns, taken: list[str], name: str) -> threading.Thread:
    """A thread that stands in line for one turn."""

    def work() -> None:
        with turns:
            taken.append(name)

    line = len(turns._waiting)
    worker = threading.Thread(target=work)
    worker.start()
    while len(turns._waiting) == line:
        time.sleep(0.001)
    return worker


def test_whoever_waits_is_served_in_the_order_of_coming() -> None:
    turns, taken = Turns(), []
    with turns:
        workers = [waiting(turns, taken, name) for name in "abc"]
    for worker in workers:
        worker.join()
    assert taken == ["a", "b", "c"]


def test_nobody_takes_two_turns_while_another_waits() -> None:
    turns, taken = Turns(), []
    with turns:
        worker = waiting(turns, taken, "other")
    with turns:
        assert taken == ["other"]
    worker.join()


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


@pytest.mark.parametrize("comes", [False, True], ids=["before the turn comes", "just as it comes"])
def test_whoever_is_interrupted_in_line_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, comes: bool) -> None:
    turns, taken = Turns(), []

    class Interrupting:
        """A lock at which Ctrl-C reaches whoever waits for it."""

        acquired = False

        def acquire(self) -> None:
            if self.acquired:
                if comes:
                    turns.__exit__()
                raise KeyboardInterrupt
            self.acquired = True

        def release(self) -> None:
            """The turn is handed over."""

    turns.__enter__()
    with monkeypatch.context() as patch:
        patch.setattr("chat_app.turns.threading.Lock", Interrupting)
        with pytest.raises(KeyboardInterrupt):
            turns.__enter__()
    if not comes:
        worker = waiting(turns, taken, "next")
        turns.__exit__()
        worker.join()
        assert taken == ["next"]
    assert not turns._taken
