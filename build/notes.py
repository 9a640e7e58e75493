"""The notes of a release: what to take for which system, whose mind it is, how to check it. Knows build-info files.

`python build/notes.py FOLDER` prints them in Markdown.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_SYSTEMS: Final = {
    "windows-x86_64": "Windows", "windows-arm64": "Windows on ARM", "macos-arm64": "macOS, Apple silicon",
    "macos-x86_64": "macOS, Intel", "linux-x86_64": "Linux", "linux-arm64": "Linux on ARM",
}  # fmt: skip
_ENDINGS: Final = (".zip", ".tar.gz")
_NOTES: Final = """\
**{mind[title]}**, in a box: version {version}. No Python, no internet: open the file and talk.

| for | take | MB | needs |
| --- | --- | --- | --- |
{rows}

One file unpacks its libraries at each start. A folder (`.zip`, `.tar.gz`) does not, and is what to take where a virus
scanner distrusts the file. `-nuitka` is the same program, compiled, and always one file: its `.zip` for macOS only
holds the mind beside it.

The mind: sha256 `{mind[sha256]}`, licence {mind[licence]}, recipe `{mind[recipe]}`. The program: commit `{commit}`.

- `sha256sum --check --ignore-missing SHA256SUMS` checks what you took.
{attested}- `*.cdx.json` lists what is inside, `THIRD_PARTY_LICENSES.txt` on what terms.
"""
_ATTESTED: Final = "- `gh attestation verify FILE --repo {repository}` says where it was built.\n"


def written(builds: Iterable[dict[str, Any]], repository: str = "") -> str:
    """The notes for the build-info of all platforms and packers; one mind, one commit. ValueError otherwise.

    Only a repository, as GitHub names it, attests where boxes were built.
    """
    told = sorted(builds, key=_order)
    minds, commits = ({str(build[key]) for build in told} for key in ("mind", "commit"))
    if len(minds) != 1 or len(commits) != 1:
        raise ValueError(f"its builds are of {len(commits)} commits and {len(minds)} minds, not of one each")
    rows = [_row(build, name) for build in told for name in sorted(build["files"], key=lambda n: n.endswith(_ENDINGS))]
    return _NOTES.format(
        mind=told[0]["mind"], version=told[0]["version"], commit=told[0]["commit"], rows="\n".join(rows),
        attested=_ATTESTED.format(repository=repository) if repository else "",
    )  # fmt: skip


def _order(build: dict[str, Any]) -> tuple[int, str]:
    return list(_SYSTEMS).index(_place(build)), build["name"]


def _place(build: dict[str, Any]) -> str:
    return next(place for place in _SYSTEMS if build["name"].removesuffix("-nuitka").endswith(place))


def _row(build: dict[str, Any], name: str) -> str:
    size = build["files"][name]["bytes"] / 1e6
    return f"| {_SYSTEMS[_place(build)]} | `{name}` | {size:.0f} | {_needs(build)} |"


def _needs(build: dict[str, Any]) -> str:
    """How old the system may be. On macOS pip takes libraries for the release it builds on, and for none before it."""
    if build["glibc"]:
        return f"glibc {build['glibc']['at_least']}"
    built_on = re.match(r"macOS-\d+", build["built_on"])
    return built_on[0].replace("-", " ") if built_on else ""


if __name__ == "__main__":
    found = sorted(Path(sys.argv[1]).glob("*.build.json"))
    infos = [json.loads(path.read_text("utf-8")) for path in found]
    try:
        print(written(infos, os.environ.get("GITHUB_REPOSITORY", "")), end="")
    except ValueError as error:
        sys.exit(f"There are no notes of {sys.argv[1]}: {error}.")
