"""The house rules that no linter can see."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import minds
import pytest

from chat_app import errors, housekeeping, language, places
from chat_app.errors import BoxError
from chat_app.language import Phrase

GIT = bool(shutil.which("git")) and (
    subprocess.run(["git", "rev-parse", "--git-dir"], cwd=minds.ROOT, capture_output=True, check=False).returncode == 0
)
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def phrases() -> list[tuple[str, Phrase]]:
    found = []
    for name, value in vars(language).items():
        if isinstance(value, Phrase):
            found.append((name, value))
        elif isinstance(value, dict) and name.isupper():
            found += [(f"{name}.{key}", phrase) for key, phrase in value.items()]
    return found


def failures(base: type[BoxError] = BoxError) -> list[type[BoxError]]:
    return [base, *(error for child in base.__subclasses__() for error in failures(child))]


def places_to_fill(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_there_are_phrases_and_failures_to_check() -> None:
    assert len(phrases()) > 40
    assert len(failures()) > 15


@pytest.mark.parametrize(("name", "phrase"), phrases())
def test_every_phrase_says_the_same_in_both_languages(name: str, phrase: Phrase) -> None:
    assert places_to_fill(phrase.ru) == places_to_fill(phrase.en), name
    assert name == "SET_TO" or CYRILLIC.search(phrase.ru)
    assert not CYRILLIC.search(phrase.en)


@pytest.mark.parametrize("failure", failures())
def test_every_failure_is_a_sentence_in_both_languages(failure: type[BoxError]) -> None:
    assert places_to_fill(failure.ru) == places_to_fill(failure.en)
    assert CYRILLIC.search(failure.ru)
    assert not CYRILLIC.search(failure.en)
    details = dict.fromkeys(places_to_fill(failure.en), "x")
    for lang in ("ru", "en"):
        assert "x" in failure(**details).sentence(lang) or not details
    assert failure.exit_code


def test_the_tree_of_failures_has_one_root() -> None:
    named = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert set(named) == set(failures())


@pytest.mark.skipif(not GIT, reason="not a checkout")
def test_git_keeps_the_recipes_of_building() -> None:
    """The usual ignore files swallow build/ and *.spec."""
    for name in (
        "build/contents.py",
        "build/new_recipe.py",
        "spec/box.spec",
        "spec/mind-format.md",
        "assets/README.md",
    ):
        ignored = subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=minds.ROOT, check=False)
        assert ignored.returncode == 1, f"{name} is ignored"
    tracked = subprocess.run(
        ["git", "ls-files", "build", "spec"], cwd=minds.ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"spec/mind-format.md", "spec/chat-template.md", "spec/box.spec"} <= set(tracked)
    assert any(name.startswith("build/") for name in tracked)


@pytest.mark.skipif(not GIT, reason="not a checkout")
@pytest.mark.parametrize("name", ["out/x.bin", "dist/box", "chat_app/__pycache__/a.pyc", "build/__pycache__/a.pyc"])
def test_git_keeps_no_results(name: str) -> None:
    assert subprocess.run(["git", "check-ignore", "-q", name], cwd=minds.ROOT, check=False).returncode == 0


def test_no_script_of_building_hides_a_module() -> None:
    for path in (minds.ROOT / "build").glob("*.py"):
        assert path.stem not in sys.stdlib_module_names | {"nuitka", "PyInstaller", "__init__"}


# --- where things are --------------------------------------------------------------------------------------------


def test_the_home_is_where_the_person_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(places.VARIABLE, str(tmp_path))
    assert places.home() == tmp_path
    assert places.conversations() == tmp_path / "conversations"


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"HOME": "/home/ann"}, "/home/ann/.local/share/mind-in-a-box"),
        ("linux", {"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}, "/data/mind-in-a-box"),
        ("linux", {"HOME": "/home/ann", "XDG_DATA_HOME": "data"}, "/home/ann/.local/share/mind-in-a-box"),
        ("darwin", {"HOME": "/Users/ann"}, "/Users/ann/Library/Application Support/mind-in-a-box"),
        ("win32", {"HOME": "/ann", "APPDATA": "/ann/Roaming"}, "/ann/Roaming/mind-in-a-box"),
        ("win32", {"HOME": "/ann"}, "/ann/AppData/Roaming/mind-in-a-box"),
    ],
)
def test_the_home_is_where_each_system_expects_it(
    monkeypatch: pytest.MonkeyPatch, platform: str, environment: dict[str, str], expected: str
) -> None:
    for name in (places.VARIABLE, "XDG_DATA_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("USERPROFILE", environment["HOME"])  # Windows' word for it
    monkeypatch.setattr(places.sys, "platform", platform)
    assert places.home() == Path(expected)


def test_the_home_is_no_matter_of_where_the_program_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(places.VARIABLE)
    monkeypatch.setattr(places.sys, "platform", "darwin")
    before = places.home()
    for name in ("executable", "argv"):  # macOS runs what came from the internet in a folder of its own, read-only
        moved = str(tmp_path / "AppTranslocation" / "d" / "mind-in-a-box")
        monkeypatch.setattr(sys, name, moved if name == "executable" else [moved])
    monkeypatch.chdir(tmp_path)
    assert places.home() == before
    assert not str(before).startswith(str(tmp_path))


def test_a_service_without_a_home_keeps_things_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv(places.VARIABLE)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(places.sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", nobody)
    assert places.home() == Path.cwd() / ".local" / "share" / "mind-in-a-box"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "uk_UA.UTF-8"}, "ru"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LANG": "ru_RU.UTF-8"}, "en"),
        ({"LC_MESSAGES": "ru_RU", "LANG": "en_US"}, "ru"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(language.locale, "getlocale", lambda: (None, None))
    assert language.of_this_machine() == expected


def test_numbers_are_written_as_the_language_does() -> None:
    assert [language.number(1234.56, lang, 1) for lang in ("ru", "en")] == ["1\u00a0234,6", "1,234.6"]
    assert [language.number(12_345_678, lang) for lang in ("ru", "en")] == ["12\u00a0345\u00a0678", "12,345,678"]


# --- tidiness of a one-file box ------------------------------------------------------------------------------------


def unpacked(folder: Path, name: str, content: bytes = b"123") -> Path:
    path = folder / name
    (path / "numpy").mkdir(parents=True)
    (path / "numpy" / "core.so").touch()
    (path / housekeeping.MARKER).write_bytes(content)
    return path


def test_what_killed_boxes_left_is_swept_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "_AFTER_PROMPT", 0)
    own = unpacked(tmp_path, "_MEIown")
    killed = unpacked(tmp_path, "_MEIkilled")
    starting = unpacked(tmp_path, "_MEIstarting", b"")
    others = unpacked(tmp_path, "_MEIothers")
    (others / housekeeping.MARKER).unlink()
    family = unpacked(tmp_path, "family photos")
    with suppress(OSError):  # Windows lets not everyone make links
        (tmp_path / "_MEIlink").symlink_to(family)
    running = unpacked(tmp_path, "mind-in-a-box-12-3")
    with (running / housekeeping.MARKER).open("r+b") as marker:
        assert housekeeping._lock(marker)
        housekeeping._sweep(own)
    assert not killed.exists()
    assert all(path.exists() for path in (own, starting, others, family / "numpy", running))


def test_a_program_that_is_no_one_file_box_watches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(housekeeping.threading, "Thread", started)
    housekeeping.start()
    monkeypatch.setattr(housekeeping.sys, "frozen", True, raising=False)
    housekeeping.start()


def test_the_inner_process_ends_with_the_outer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(housekeeping, "_POLL", 0)
    monkeypatch.setattr(housekeeping.os, "_exit", ended.append)
    own = unpacked(tmp_path, "_MEIown")
    with subprocess.Popen([sys.executable, "-c", ""]) as outer:
        outer.wait()
        with (own / housekeeping.MARKER).open("r+b") as marker:
            housekeeping._watch(own, outer.pid, marker)
    assert ended == [1]
    left = [housekeeping.MARKER] if sys.platform == "win32" else []  # no open file is removed there: the next box does
    assert [path.name for path in own.glob("*")] == left
    assert own.exists() == bool(left)
