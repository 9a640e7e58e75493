"""Every command of the project, in the order of the way: check, test, seal, smoke, measure.

`nox` alone checks and tests; `nox -s box smoke` ends with a talking box.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"  # uv heeds no pip.conf, no PIP_EXTRA_INDEX_URL: see pyproject.toml on torch
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = [
    "lint", "types", "test_app", "test_program", "test_web", "test_release", "test_train", "coverage",
]  # fmt: skip

PROJECT = nox.project.load_toml("pyproject.toml")
RELEASED_ON = "3.11"  # what build/requirements is pinned for
PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_28", "linux-arm64": "aarch64-manylinux_2_28",
    "windows-x86_64": "x86_64-pc-windows-msvc", "windows-arm64": "aarch64-pc-windows-msvc",
    "macos-x86_64": "x86_64-apple-darwin", "macos-arm64": "aarch64-apple-darwin",
}  # fmt: skip
FROM_SOURCE = {"PYTHONPATH": str(Path(__file__).resolve().parent)}
SOURCES = ("chat_app", "trainer", "build", "tests", "noxfile.py")


def group(name: str) -> list[str]:
    """The requirements of a dependency group of pyproject.toml."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting: ruff."""
    session.install(*group("lint"))
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy, strict."""
    session.install(*group("types"), *PROJECT["project"]["dependencies"])
    session.run("mypy")


@nox.session
def test_app(session: nox.Session) -> None:
    """The runtime's tests, in an environment without torch."""
    _without_torch(session, "tests/app")


@nox.session
def test_program(session: nox.Session) -> None:
    """The tests of the program as a process, likewise: in pipes, and in a terminal of its own."""
    _without_torch(session, "tests/program")


@nox.session
def test_web(session: nox.Session) -> None:
    """The server's tests, likewise: the page's API, OpenAI's, and attacks on both."""
    _without_torch(session, "tests/web")


@nox.session
def test_release(session: nox.Session) -> None:
    """The tests of what is given to others, likewise: the minds of assets/, names, archives, licences."""
    _without_torch(session, "tests/release")


def _without_torch(session: nox.Session, folder: str) -> None:
    session.install(*group("test-app"), "-e", ".")
    session.run("coverage", "run", "-m", "pytest", folder, *session.posargs)


@nox.session
def test_train(session: nox.Session) -> None:
    """The trainer's tests, and the runtime's parity with torch and SentencePiece."""
    session.install(*group("test-train"))
    session.install("-e", ".[train]")
    session.run("coverage", "run", "-m", "pytest", "tests/train", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """What the tests reached."""
    session.install("coverage[toml]")
    session.run("coverage", "combine", success_codes=[0, 1])
    session.run("coverage", "report")


@nox.session(default=False)
def box(session: nox.Session) -> None:
    """Seal a mind into dist/: PyInstaller's file and folder, or `-- nuitka`; `-- --mind PATH`, `-- --packed`."""
    session.install(*group("freeze"), "-e", ".")
    packer = "nuitka" if "nuitka" in session.posargs else "pyinstaller"
    session.run("python", f"build/pack_{packer}.py", *(word for word in session.posargs if word != "nuitka"))


@nox.session(default=False)
def smoke(session: nox.Session) -> None:
    """Run every box of dist/ as a friend would, and say where it is."""
    session.install(*group("test-app"), "-e", ".")
    session.run("pytest", "tests/box")  # without posargs, which choose a packer or a mind for `box`
    session.run("python", "build/contents.py")


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """What is given to others, in dist/: boxes of both packers, checked and described; `-- nuitka`, `-- --mind PATH`.

    Built of what build/requirements pins for this platform, where it does.
    """
    _for_release(session)
    session.run("python", "build/release.py", *session.posargs, env=FROM_SOURCE)


@nox.session(default=False, venv_backend="none")
def release_linux(session: nox.Session) -> None:
    """The same as `release`, made in a Debian 11 so that boxes start on old Linuxes, too; as root, with debootstrap."""
    session.run(sys.executable, "build/release_linux.py", *session.posargs, env=FROM_SOURCE)


@nox.session(default=False, venv_backend="none")
def cleanroom(session: nox.Session) -> None:
    """Try the Linux boxes of dist/ in Debians 11 and 12 where nothing is installed; as root, with debootstrap."""
    session.run(sys.executable, "tests/box/cleanroom.py", *session.posargs, env=FROM_SOURCE)


@nox.session(default=False)
def reproduce(session: nox.Session) -> None:
    """Build twice and say what differs: PyInstaller, or `-- nuitka`."""
    _for_release(session)
    session.run("python", "build/twice.py", *session.posargs, env=FROM_SOURCE)


@nox.session(default=False)
def gift(session: nox.Session) -> None:
    """Write what to send with each box of dist/, in Russian and English, and a page that shows it."""
    session.install("-e", ".")
    session.run("python", "build/gift.py", *session.posargs, env=FROM_SOURCE)


@nox.session(default=False)
def requirements(session: nox.Session) -> None:
    """Pin by hash what a release is built of, for every platform anew."""
    session.install("uv")
    Path("build/requirements").mkdir(exist_ok=True)
    for place, wheels in PLATFORMS.items():
        session.run(
            "uv", "pip", "compile", "pyproject.toml", "--group", "release", "--upgrade", "--generate-hashes",
            "--python-version", RELEASED_ON, "--python-platform", wheels, "--quiet",
            "--custom-compile-command", "nox -s requirements", "--output-file", f"build/requirements/{place}.txt",
        )  # fmt: skip


@nox.session(default=False)
def workflows(session: nox.Session) -> None:
    """The workflows of .github: actionlint for what would not run, zizmor for what others could misuse."""
    session.install(*group("workflows"))
    session.run("actionlint")
    session.run("zizmor", "--offline", ".github/workflows")


def _place() -> str:
    """The platform at hand, as the names of boxes have it."""
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    processor = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    return f"{system}-{processor}"


def _for_release(session: nox.Session) -> None:
    """Install the pinned requirements of this platform; others as pyproject.toml has them."""
    pinned = Path(f"build/requirements/{_place()}.txt")
    wanted = ["--require-hashes", "-r", str(pinned)]
    if not pinned.exists() or sys.version_info[:2] != tuple(map(int, RELEASED_ON.split("."))):
        session.warn(
            f"The newest of everything is taken: it is pinned for Python {RELEASED_ON} on {', '.join(PLATFORMS)}."
        )
        wanted = [*group("release"), *PROJECT["project"]["dependencies"]]
    own, env = _own_bootloader(session)
    session.install(*own, *wanted, env=env)


def _own_bootloader(session: nox.Session) -> tuple[list[str], dict[str, str]]:
    """Words for pip, and its environment, so that it compiles PyInstaller's bootloader where that is wanted."""
    if "PYINSTALLER_COMPILE_BOOTLOADER" not in os.environ:
        return [], {}
    env = {}
    if sys.platform == "linux":  # and links what finds a box a place to unpack in
        env["LDFLAGS"] = str(session.run("python", "build/roomy_temp.py", silent=True)).strip()
    return ["--no-binary", "pyinstaller", "--no-cache-dir"], env  # pip would keep one that was compiled otherwise


@nox.session(default=False)
def page(session: nox.Session) -> None:
    """The page in a real Chromium, which is installed where it is missing: on Debian, as root."""
    _with_chromium(session)
    session.run("pytest", "tests/page", *session.posargs)


@nox.session(default=False)
def screenshots(session: nox.Session) -> None:
    """Take the README's pictures of the page anew, into assets/screenshots."""
    _with_chromium(session)
    session.run("python", "-m", "page.screenshots", env={"PYTHONPATH": "tests"})


def _with_chromium(session: nox.Session) -> None:
    session.install(*group("test-page"), "-e", ".")
    if not any(map(shutil.which, ("chromium", "chromium-browser"))) and "CHROMIUM" not in os.environ:
        session.run("apt-get", "update", external=True)
        session.run("apt-get", "install", "-y", "--no-install-recommends", "chromium", external=True)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure the speed goals, as ratios in one run; `-- --text FILE` gives real lines, `-- --boxes` adds boxes.

    `-- train` measures growing instead, with `--text FILE...` the way from texts to token files, too.
    """
    session.install(*group("test-train"), *group("freeze"), "-e", ".[train]")
    texts = [word for word in session.posargs if word not in ("train", "--text", "--boxes")]
    if "train" in session.posargs:
        found = [_measured(session, "tests.bench.training")]
        found += [_measured(session, "tests.bench.tokens", *texts)] if texts else []
        session.run("python", "-m", "tests.bench.report", *found)
        return
    found = [_measured(session, "tests.bench.engine"), _measured(session, "tests.bench.tokenizer", *texts)]
    found.append(_measured(session, "tests.bench.server"))
    if "--boxes" in session.posargs:
        found += _sealed_and_timed(session)
    session.run("python", "-m", "tests.bench.report", *found)


def _measured(session: nox.Session, module: str, *words: str) -> str:
    """The JSON object that a module of tests/bench prints."""
    return str(session.run("python", "-m", module, *words, silent=True))


def _sealed_and_timed(session: nox.Session) -> list[str]:
    """What build/measure_box.py says of both packers' boxes with a mind of 92 MB."""
    folder = Path("out/bench")
    session.run("python", "-m", "tests.bench.shape", str(folder / "shape.mind"))
    for packer in ("pyinstaller", "nuitka"):
        session.run("python", f"build/pack_{packer}.py", "--mind", str(folder / "shape.mind"), "--dist", str(folder))
    boxes = [path for path in sorted(folder.glob("mind-in-a-box-*")) if not path.name.endswith((".gz", ".zip"))]
    return [str(session.run("python", "build/measure_box.py", str(path), silent=True)) for path in boxes]
