"""Drives what dist/ holds: every one-file box, and every folder build taken out of its archive."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "build"))
import contents

# MIND_IN_A_BOX_UNDER_TEST names one artefact instead of all of dist/.
CHOSEN = os.environ.get("MIND_IN_A_BOX_UNDER_TEST")
ARTEFACTS = [Path(CHOSEN).resolve()] if CHOSEN else contents.boxes()


@dataclass(frozen=True)
class Box:
    """One executable that stands far from the sources, with a temporary folder and a home of its own."""

    path: Path
    around: Path

    @property
    def unpacks(self) -> bool:
        """Whether it is one file, which unpacks itself at each start."""
        return self.path.parent == self.around

    @property
    def temp(self) -> Path:
        return self.around / "temp"

    @property
    def home(self) -> Path:
        return self.around / "дом"

    def environment(self) -> dict[str, str]:
        """All that it is told: no PATH, so no Python either."""
        told = {"HOME": str(self.home), "TMPDIR": str(self.temp), "TERM": "xterm", "LANG": "ru_RU.UTF-8"}
        if sys.platform == "win32":  # which knows no TMPDIR
            told |= {"SYSTEMROOT": os.environ["SYSTEMROOT"], "TEMP": str(self.temp), "TMP": str(self.temp)}
        return told

    def run(self, *arguments: object, said: str = "", bare: bool = False) -> subprocess.CompletedProcess[str]:
        """Run it to its end; `bare` with no environment at all."""
        command = [str(self.path), *map(str, arguments)]
        env = {} if bare else self.environment()
        if bare and sys.platform == "win32":  # where no program starts without these
            env = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMP") if name in os.environ}
        return subprocess.run(
            command,
            input=said,
            env=env,
            cwd=self.around,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )


def _unpack(artefact: Path, around: Path) -> Path:
    """The executable that a person would start."""
    if artefact.name.endswith(".tar.gz"):
        subprocess.run(["tar", "-xzf", artefact, "-C", around], check=True)  # as a person would
    elif artefact.suffix == ".zip" and sys.platform == "darwin":
        subprocess.run(["ditto", "-x", "-k", artefact, around], check=True)  # as a double click does
    elif artefact.suffix == ".zip":
        with zipfile.ZipFile(artefact) as file:
            file.extractall(around)
    else:
        return Path(shutil.copy2(artefact, around))
    return around / artefact.name.removesuffix(".tar.gz").removesuffix(".zip") / contents.program_name()


@pytest.fixture(scope="session", params=ARTEFACTS, ids=[path.name for path in ARTEFACTS])
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Box:
    around = tmp_path_factory.mktemp("Ящик с разумом")
    made = Box(_unpack(request.param, around), around)
    made.temp.mkdir()
    made.home.mkdir()
    return made


@pytest.fixture
def one_file(box: Box) -> Box:
    if not box.unpacks:
        pytest.skip("a folder build unpacks nothing")
    return box
