"""The program's server and a page in a browser, as the tests of the page handle them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minds
from playwright.sync_api import Browser, Page, Playwright, Route, expect

from chat_app import places

LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 320, "height": 568}
EVIL = "<img/src=x/onerror=document.title=1>"
expect.set_options(timeout=30_000)  # of patience, on a machine that is busy with other things


def chromium(playwright: Playwright) -> Browser:
    """The system's Chromium, or the one that CHROMIUM names."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])


class Program:
    """The server with one mind, at an address that it keeps when it is started again."""

    def __init__(self, mind: Path, home: Path) -> None:
        self.mind, self.home, self.port, self.url = mind, home, 0, ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, *token: str) -> None:
        screen = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")  # or it opens the person's own browser
        environment = {name: value for name, value in os.environ.items() if name not in screen}
        environment |= {places.VARIABLE: str(self.home), "PYTHONPATH": str(minds.ROOT)}
        words = [sys.executable, str(Path(__file__).with_name("program.py")), str(self.mind), str(self.port), *token]
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
        found = None
        while found is None and (line := self.process.stdout.readline()):
            found = re.search(r"http://[\d.]+:(\d+)/#token=\S+", line)
        assert found, "the program has ended before it said where its page is"
        self.url, self.port = found[0], int(found[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def files(self) -> list[Path]:
        """Its conversations, the newest last."""
        return sorted((self.home / "conversations").glob("*.jsonl"))


class Visit:
    """A page that a person has open, and what the browser noticed while it was."""

    def __init__(self, page: Page, program: Program) -> None:
        self.page, self.program = page, program
        self.requests: list[Any] = []
        self.complaints: list[str] = []
        self.expected: list[str] = []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - it must be a function
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )

    def open(self) -> Visit:
        self.page.goto(self.program.url)
        expect(self.page.locator("#greeting")).to_have_text(minds.GREETING)
        return self

    def say(self, text: str) -> None:
        self.page.fill("#words", text)
        self.page.press("#words", "Enter")

    def ask(self, text: str) -> str:
        """Say something and wait for the whole answer."""
        before = self.page.locator(".turn.user, .given").count()
        self.say(text)
        expect(self.page.locator(".turn.user, .given")).to_have_count(before + 1)
        self.answered()
        return self.answer()

    def hold(self, pattern: str, method: str = "POST") -> list[Route]:
        """Keep such requests from the program, and list them as they are made."""
        held: list[Route] = []
        self.page.route(
            pattern, lambda route: held.append(route) if route.request.method == method else route.fallback()
        )
        return held

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for something that is not on the page."""
        ends = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < ends
            self.page.wait_for_timeout(20)

    def answered(self) -> None:
        expect(self.page.locator("#turns")).to_have_attribute("aria-busy", "false")

    def answer(self) -> str:
        return self.page.locator(".turn.assistant .text").last.text_content()

    @property
    def lines(self) -> list[str]:
        return self.page.locator(".turn .text").all_text_contents()

    def act(self, name: str) -> None:
        """Press one of the buttons beneath the last answer."""
        self.page.locator(".turn.last .actions").get_by_role("button", name=name).click()

    def width(self) -> int:
        """By how many pixels anything can be scrolled sideways."""
        return self.page.evaluate(
            "Math.max(...[...document.querySelectorAll('*')].filter(e => e.clientWidth"
            " && !['visible', 'hidden', 'clip'].includes(getComputedStyle(e).overflowX))"
            ".map(e => e.scrollWidth - e.clientWidth), document.documentElement.scrollWidth - innerWidth)"
        )

    def check(self) -> None:
        """Nothing left the program's own address, and the browser had nothing to complain about."""
        own = (self.program.url.split("#")[0], "data:", "blob:")
        assert not [request.url for request in self.requests if not request.url.startswith(own)]
        assert not [c for c in self.complaints if not any(re.search(pattern, c) for pattern in self.expected)]
