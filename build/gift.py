"""Writes what to send with a box: a short message for its system, in Russian and English, and a page that shows it.

`python build/gift.py [--dist FOLDER]` leaves all of it in FOLDER/gift. Knows names of files, nothing of what is inside.
"""

from __future__ import annotations

import argparse
import base64
import html
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Final

import checksums
import contents
import icon

from chat_app.errors import BoxError
from chat_app.mind import Mind, open_mind

WORDS: Final = tomllib.loads((contents.RECIPES / "gift.toml").read_text("utf-8"))  # by language
_COMMANDS: Final = {
    "windows": "certutil -hashfile {name} SHA256", "macos": "shasum -a 256 {name}", "linux": "sha256sum {name}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """A file to send: its name, its checksum, how the mind inside calls itself, and whether it answers."""

    name: str
    sha256: str
    title: str
    can_chat: bool = True

    @property
    def system(self) -> str:
        """The operating system that its name says."""
        return max(_COMMANDS, key=lambda system: self.name.rfind(f"-{system}-"))  # a mind may be called so too

    @property
    def stem(self) -> str:
        """The name without what an archive has at its end."""
        return self.name.removesuffix(".zip").removesuffix(".tar.gz")


def message(box: Box, lang: str) -> list[str]:
    """What to send with a box: paragraphs, the steps numbered, the checksum last."""
    packed = box.stem != box.name
    words = {
        "title": box.title, "name": box.name, "folder": f"/{box.stem}" if packed else "",
        "program": contents.program_name("win32" if box.system == "windows" else "") if packed else box.name,
    }  # fmt: skip
    words["quarantine"] = "-dr com.apple.quarantine ." if packed else f"-d com.apple.quarantine {box.name}"
    said = WORDS[lang]
    words["does"] = said["answers" if box.can_chat else "continues"]
    words["unpack"] = said["unpack"].format(**words) if packed else ""
    words["command"] = _COMMANDS[box.system].format(**words)
    more = [said["one_file"][box.system]] if not packed and box.system in said["one_file"] else []
    steps = [f"{number}. {step.strip()}" for number, step in enumerate([*said[box.system], *more], 1)]
    lines = (said["hello"], *steps, said["end"], said["check"], "{sha256}")
    return [line.strip().format(**words, sha256=box.sha256) for line in lines]


def page(box: Box, picture: Path | None) -> str:
    """The message in both languages on one page, with no address of anything outside."""
    sections = "".join(
        f'<section lang="{lang}">{"".join(f"<p>{html.escape(line)}</p>" for line in message(box, lang))}</section>\n'
        for lang in WORDS
    )
    shown = f'<p><img alt="" src="{_inline(picture.read_bytes())}"></p>' if picture else ""
    return Template((contents.RECIPES / "gift.html").read_text("utf-8")).substitute(
        title=html.escape(box.title), icon=_inline(icon.png(icon.draw(128))), picture=shown, sections=sections
    )


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def found(dist: Path) -> list[Box]:
    """The boxes of a folder. An archive is told of as the file that has its name, or else by its name alone."""
    paths = contents.boxes(dist)
    minds = {path.name.removesuffix(".exe"): _mind(path) for path in paths if path.suffix not in (".gz", ".zip")}
    boxes = [Box(path.name, checksums.of(path), path.name) for path in paths]
    return [
        replace(box, title=mind.title, can_chat=mind.can_chat)
        if (mind := minds.get(box.stem.removesuffix(".exe")))
        else replace(box, title=box.stem)
        for box in boxes
    ]


def _mind(path: Path) -> Mind:
    try:
        return open_mind(path)
    except BoxError as error:
        sys.exit(error.sentence("en"))


def write(box: Box, into: Path) -> None:
    """The messages of a box and its page; where there is a Chromium, as PDF, too."""
    for lang in WORDS:
        (into / f"{box.name}.{lang}.txt").write_text("\n\n".join(message(box, lang)) + "\n", "utf-8")
    picture = contents.ASSETS / "screenshots" / "page.png"
    written = into / f"{box.name}.html"
    written.write_text(page(box, picture if picture.exists() else None), "utf-8")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium:
        quiet = ("--headless", "--no-sandbox", "--no-pdf-header-footer")
        command = [chromium, *quiet, f"--print-to-pdf={into / box.name}.pdf", written.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Write what goes with every box of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dist", type=Path, default=contents.DIST, help="default: %(default)s")
    dist = parser.parse_args().dist.resolve()
    if not (boxes := found(dist)):
        sys.exit(f"{dist} holds no box. Make one first: nox -s box")
    (into := dist / "gift").mkdir(exist_ok=True)
    for box in boxes:
        write(box, into)
    print(f"What to send with {len(boxes)} boxes is in {into}")


if __name__ == "__main__":
    main()
