"""What every test shares: a home of its own, and small minds made once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import minds
import pytest
from hypothesis import HealthCheck, settings

from chat_app import places

settings.register_profile(
    "house", deadline=None, max_examples=40, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow],  # the machine may be busy with other things
)  # fmt: skip
settings.register_profile("thorough", deadline=None, max_examples=2000, database=None)  # --hypothesis-profile=thorough
settings.load_profile("house")
_NUMBERS = count()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program keeps things during the test; never the person's own folder. Most tests need none."""
    path = tmp_path_factory.getbasetemp() / f"home-{next(_NUMBERS)}"
    monkeypatch.setenv(places.VARIABLE, str(path))
    return path


@pytest.fixture
def link() -> Callable[[Path, Path], None]:
    """Makes a link at the first path that leads to the second; skips where Windows lets not everyone make any."""

    def make(path: Path, target: Path) -> None:
        with suppress(OSError):
            path.symlink_to(target)
        if not path.is_symlink():
            pytest.skip("links are not allowed here")

    return make


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("minds")


@pytest.fixture(scope="session")
def chatting(folder: Path) -> Path:
    """A mind that answers "Привет, друг!" to everything."""
    return minds.scripted_mind(folder / "chatting.mind")


@pytest.fixture(scope="session")
def continuing(folder: Path) -> Path:
    """A mind that goes on with " вода, река, вода, река," for as long as it may."""
    script = ["▁вода", ",", "▁река", ";"]
    return minds.scripted_mind(folder / "continuing.mind", script, chats=False, max_tokens=8)


@pytest.fixture(scope="session")
def babbling(folder: Path) -> Path:
    """A mind of random weights that answers letter by letter."""
    return minds.random_mind(folder / "babbling.mind", chats=True, block_size=256)
