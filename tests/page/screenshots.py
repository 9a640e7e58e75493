"""The README's pictures of the page, taken anew: `nox -s screenshots` leaves them in assets/screenshots.

The mind is the one that a box carries, and what it says is what it says: only the dice are held.
"""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import minds
from page.visits import Program, Visit, chromium
from playwright.sync_api import Browser, expect, sync_playwright

FOLDER = minds.ROOT / "assets" / "screenshots"
SEED = 3
LAPTOP = {"viewport": {"width": 1120, "height": 720}}
PHONE = {"viewport": {"width": 390, "height": 720}, "device_scale_factor": 2}


def default_mind() -> Path:
    """The mind that `default` of the manifest names."""
    manifest = tomllib.loads((minds.ROOT / "assets" / "manifest.toml").read_text("utf-8"))
    return minds.ROOT / "assets" / manifest["default"]


def visited(browser: Browser, program: Program, **options: Any) -> Visit:
    """A page that has said two examples of its own, with the same dice every time."""
    here = Visit(browser.new_context(reduced_motion="reduce", **options).new_page(), program)
    here.page.goto(program.url)
    expect(here.page.locator("#welcome")).to_be_visible()
    here.page.evaluate(f"sampling = {{seed: {SEED}, max_tokens: 70}}")
    for text in here.page.locator("#examples button").all_text_contents()[:2]:
        here.say(text)
        expect(here.page.locator(".figures")).to_be_visible()
        here.answered()
    here.page.evaluate("document.activeElement.blur()")
    return here


def take(browser: Browser, program: Program) -> None:
    """All pictures."""
    here = visited(browser, program, locale="ru-RU", color_scheme="light", **LAPTOP)
    here.page.screenshot(path=FOLDER / "page.png")
    here = visited(browser, program, locale="ru-RU", color_scheme="dark", **LAPTOP)
    here.page.keyboard.press("Alt+KeyL")
    expect(here.page.locator("#choices")).to_be_visible()
    found = [here.page.locator(f"#tokens .{shade}") for shade in ("p0", "p1", "p2", "p3", "p4", "token")]
    next(tokens for tokens in found if tokens.count()).first.click()  # what surprised the mind most
    here.page.screenshot(path=FOLDER / "look.png")
    here = visited(browser, program, locale="ru-RU", color_scheme="dark", **PHONE)
    here.page.screenshot(path=FOLDER / "phone.png")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        program = Program(default_mind(), Path(home))
        program.start()
        browser = chromium(playwright)
        try:
            take(browser, program)
        finally:
            browser.close()
            program.kill()
    for path in sorted(FOLDER.glob("*.png")):
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
