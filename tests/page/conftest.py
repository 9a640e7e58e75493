"""A real Chromium before the program's own server. Nothing here is skipped: `nox -s page` brings what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import minds
import pytest
from page.visits import EVIL, LAPTOP, Program, Visit, chromium
from playwright.sync_api import Browser, Playwright, sync_playwright

from trainer import mind_file
from trainer.mind_file import Variant


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = chromium(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def programs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Program]]:
    """One running program a mind, for all tests that do it no harm."""
    running: dict[Path, Program] = {}

    def program(mind: Path) -> Program:
        if mind not in running:
            running[mind] = Program(mind, tmp_path_factory.mktemp(mind.stem))
            running[mind].start()
        return running[mind]

    yield program
    for started in running.values():
        started.kill()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens a page in a browser of its own; at the end every page must have been quiet."""
    visits: list[Visit] = []

    def visit(program: Program, *, beside: Visit | None = None, **options: Any) -> Visit:
        options = {"viewport": LAPTOP, "locale": "ru-RU", "color_scheme": "light"} | options
        context = beside.page.context if beside else browser.new_context(**options)
        visits.append(Visit(context.new_page(), program))
        return visits[-1].open()

    yield visit
    for made in visits:
        made.check()
    for context in {made.page.context for made in visits}:
        context.close()


@pytest.fixture(scope="session")
def endless(folder: Path) -> Path:
    """A mind that goes on and on, until it is stopped."""
    script = ["▁раз", ",", "▁два", ";"]
    return minds.scripted_mind(folder / "endless.mind", script, endless=True, block_size=1 << 15, max_tokens=30_000)


@pytest.fixture(scope="session")
def evil(folder: Path) -> Path:
    """A mind whose words a careless page would run."""
    return minds.scripted_mind(folder / "evil.mind", [f"▁{EVIL}", "▁\u05e9\u05dc\u05d5\u05dd", "▁" + "W" * 300])


@pytest.fixture(scope="session")
def grown(folder: Path) -> Path:
    """A mind whose card remembers what it wrote when it was small."""
    samples = [
        {"iteration": 10, "prompt": "Однажды вечером", "text": "Однажды вечером рка рка рка."},
        {"iteration": 900, "prompt": "Однажды вечером", "text": "Однажды вечером река остановилась."},
    ]
    return minds.random_mind(folder / "grown.mind", chats=True, card={"samples": samples})


@pytest.fixture(scope="session")
def voiced(folder: Path) -> Path:
    """A mind with a second voice, `artistic`."""
    pieces = minds.char_pieces(marks=True)
    config = minds.config(len(pieces.pieces))
    own, other, prompt = minds.arrays(config, 0), minds.arrays(config, 1), [5, 6, 7]
    about = {
        "title": "Философ", "description": "говорит странно", "sampling": {"temperature": 1.3},
        "answers": [minds.golden(config, other, prompt)],
    }  # fmt: skip
    mind_file.write(
        folder / "voiced.mind", config, own, pieces, chat=minds.manners(pieces, chats=True, max_tokens=5),
        card={"title": "Проба"}, golden=[minds.golden(config, own, prompt)],
        variants={"artistic": Variant(other, about)},
    )  # fmt: skip
    return folder / "voiced.mind"


@pytest.fixture
def two_minds(tmp_path: Path) -> Iterator[Program]:
    """A program beside whose mind stands another."""
    (tmp_path / "minds").mkdir()
    for name, title in (("a", "Первый"), ("b", "Второй")):
        minds.random_mind(tmp_path / "minds" / f"{name}.mind", chats=True, card={"title": title})
    yield from lent(Program(tmp_path / "minds" / "a.mind", tmp_path))


@pytest.fixture
def mortal(endless: Path, tmp_path: Path) -> Iterator[Program]:
    """A program that a test kills and starts again."""
    yield from lent(Program(endless, tmp_path), "the-same-token")


def lent(program: Program, *token: str) -> Iterator[Program]:
    program.start(*token)
    yield program
    program.kill()
