"""How boxes are made for old Linuxes and tried where nothing is installed, as far as it shows without a chroot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import minds
import pytest

sys.path.insert(0, str(minds.ROOT / "build"))
sys.path.insert(0, str(minds.ROOT / "tests/box"))
import cleanroom
import debian
import pack_nuitka
import release_linux
import roomy_temp

# --- a place to unpack in ------------------------------------------------------------------------------------------

compiles = pytest.mark.skipif(
    sys.platform != "linux" or not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="needs Linux and a C compiler"
)
OUTER = r"""
#include <stdio.h>
#include <stdlib.h>
int main(void) { printf("%s\n", getenv("TMPDIR") ? getenv("TMPDIR") : "untouched"); return 0; }
"""


def outer(folder: Path, needed_mb: int) -> Path:
    """A program like a packer's outer one, that says where it would unpack."""
    (folder / "outer.c").write_text(OUTER)
    linked = [folder / "outer.c", roomy_temp.compiled(folder / "roomy_temp.o", needed_mb)]
    subprocess.run(["cc", *linked, "-o", folder / "outer"], check=True)
    return folder / "outer"


@pytest.fixture(scope="module")
def modest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return outer(tmp_path_factory.mktemp("modest"), 1)


def said(program: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program], env=environment, capture_output=True, encoding="utf-8", check=False)


@compiles
def test_a_temporary_folder_that_will_do_is_left_as_it_is(modest: Path, tmp_path: Path) -> None:
    assert said(modest, TMPDIR=str(tmp_path)).stdout == f"{tmp_path}\n"


@compiles
@pytest.mark.parametrize("options", ["noexec", "size=100k"])
def test_a_temporary_folder_that_lets_no_program_run_or_is_small_is_replaced(
    modest: Path, tmp_path: Path, options: str
) -> None:
    mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o "$0" tmpfs "$TMPDIR" && "$1"']
    done = subprocess.run(
        [*mounted, options, modest], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, check=False
    )
    if done.returncode and b"unshare" in done.stderr:
        pytest.skip("may mount nothing here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() in ("/tmp", "/var/tmp", os.environ.get("HOME"), str(modest.parent))


@compiles
@pytest.mark.parametrize("bad", ["/nowhere/at/all", "relative"])
def test_a_temporary_folder_that_will_not_do_is_replaced(modest: Path, bad: str) -> None:
    assert said(modest, TMPDIR=bad).stdout.strip() in ("/tmp", "/var/tmp", str(modest.parent))


@compiles
def test_the_inner_process_does_not_ask_for_the_room_again(tmp_path: Path) -> None:
    greedy = outer(tmp_path, 10**9)
    assert said(greedy, MIND_IN_A_BOX_TEMP="chosen").stdout == "untouched\n"


@compiles
@pytest.mark.parametrize(("lang", "words"), [("ru_RU.UTF-8", "Назови подходящую"), ("C", "Name one")])
def test_where_no_folder_has_room_one_sentence_says_what_to_do(tmp_path: Path, lang: str, words: str) -> None:
    done = said(outer(tmp_path, 10**9), LANG=lang, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert str(tmp_path) in done.stderr
    assert done.stderr.count("\n") == 1


@compiles
def test_nuitka_links_it_besides_what_the_maker_wants_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDFLAGS", "-Wl,-O1")
    flags = pack_nuitka.environment(tmp_path)["LDFLAGS"].split()
    assert flags == ["-Wl,-O1", str(tmp_path / "roomy_temp.o")]
    assert (tmp_path / "roomy_temp.o").is_file()


def test_what_is_needed_is_what_the_budget_allows_to_unpack() -> None:
    assert roomy_temp.needed_mb() == 65


def test_without_a_compiler_its_name_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="apt-get install gcc"):
        roomy_temp.compiled(tmp_path / "object.o")


# --- chroots -------------------------------------------------------------------------------------------------------


def is_understood(script: str) -> bool:
    """Whether a shell finds nothing wrong with it, where there is a shell."""
    return not shutil.which("sh") or not subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one sentence says that there are no chroots")
def test_every_missing_tool_is_told_with_the_command_that_helps() -> None:
    architecture = debian.processor()
    told = debian.missing(architecture, which=lambda _: None, user=1000)
    assert [line.partition(":")[0] for line in told] == [
        "Only root may enter a chroot. Begin the command with", "debootstrap is missing. Install it",
        "unshare is missing. Install it",
    ]  # fmt: skip
    assert debian.missing(architecture, which=lambda _: "/usr/bin/it", user=0) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one sentence says that there are no chroots")
def test_the_other_processor_wants_its_own_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "qemu-x86_64").touch()
    for own, other, lacking in (("arm64", "amd64", 0), ("amd64", "arm64", 1)):
        monkeypatch.setattr(debian, "processor", lambda own=own: own)
        told = debian.missing(other, which=lambda _: "/usr/bin/it", user=0, emulators=tmp_path)
        assert len(told) == lacking


def test_a_chroot_is_entered_after_its_mounts_and_names_with_blanks_stay_whole(tmp_path: Path) -> None:
    script = debian.script(tmp_path / "Ящик с разумом", ["sh", "-c", "echo 'да'"], ["-t proc proc proc"], 1000)
    lines = script.splitlines()
    assert lines[2] == f"cd '{tmp_path / 'Ящик с разумом'}'"
    assert lines[3:5] == ["mkdir -p proc", "mount -t proc proc proc"]
    assert lines[-1].startswith("exec chroot --userspec=1000:1000 . sh -c ")
    assert is_understood(script)


def test_a_debian_that_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "HOME", tmp_path)
    (tmp_path / "minimal/11-amd64").mkdir(parents=True)
    assert debian.minimal("11", "amd64") == tmp_path / "minimal/11-amd64"


@pytest.mark.skipif(sys.platform != "linux", reason="chroots of Debian are for Linux")
def test_a_debian_whose_making_was_cut_short_is_made_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "HOME", tmp_path / "debian")
    (tmp_path / "debian/minimal/11-amd64.unfinished/half").mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    tool = tmp_path / "tools/unshare"  # in the place of unshare --mount debootstrap ... FOLDER MIRROR
    tool.write_text('#!/bin/sh\nmkdir "$6" && touch "$6/whole"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    root = debian.minimal("11", "amd64")
    assert [path.name for path in root.iterdir()] == ["whole"]
    assert not root.with_name("11-amd64.unfinished").exists()


# --- a release made in one -----------------------------------------------------------------------------------------


def test_a_mind_is_seen_inside_the_chroot_and_other_words_are_passed_on(tmp_path: Path) -> None:
    given, mounts = release_linux.words(["nuitka", "--mind", str(tmp_path / "чехов.mind"), "--patience", "3"])
    assert given == ["nuitka", "--patience", "3", "--mind", "/mind/чехов.mind"]
    assert f"-o bind,ro '{tmp_path}' mind" in mounts
    assert release_linux.words([])[0] == []


def test_a_chroot_reaches_others_as_this_machine_does(tmp_path: Path) -> None:
    machine, root = tmp_path / "machine", tmp_path / "root"
    (machine / "etc/ssl/certs").mkdir(parents=True)
    (root / "etc").mkdir(parents=True)
    (machine / "etc/ssl/certs/ca-certificates.crt").write_text("trusted")
    (machine / "etc/resolv.conf").write_text("nameserver 192.0.2.1")
    release_linux.connected(root, machine)
    assert (root / release_linux.AUTHORITIES).read_text() == "trusted"
    assert (root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.1"
    assert not (root / "etc/pip.conf").exists()


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_only_what_is_committed_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, root = tmp_path / "source", tmp_path / "root"
    git = ["git", "-C", source, "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "--quiet", source], check=True)
    monkeypatch.setattr(release_linux, "ROOT", source)
    inside = root / release_linux.PROJECT[1:]
    for number in ("1", "2"):  # made, then brought up to date
        (source / "file").write_text(number)
        subprocess.run([*git, "add", "file"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", number], check=True)
        (source / "file").write_text("unsaved")
        release_linux.checked_out(root)
        assert (inside / "file").read_text() == number
        (inside / "left").touch()
    release_linux.checked_out(root)
    assert not (inside / "left").exists()


def test_the_python_of_the_chroot_is_the_one_that_requirements_are_pinned_for() -> None:
    released_on = re.search(r'RELEASED_ON = "([\d.]+)"', (minds.ROOT / "noxfile.py").read_text("utf-8"))
    script = (minds.ROOT / "build/debian_python.sh").read_text("utf-8")
    assert released_on
    assert f"python{released_on[1]}" in script
    assert is_understood(script)


def test_the_workflow_compiles_that_python_in_the_oldest_debian_that_it_tries_boxes_on() -> None:
    workflow = (minds.ROOT / ".github/workflows/release.yml").read_text("utf-8")
    (image,) = re.findall(r"container: (debian:11\S+)", workflow)
    assert f"- {image}\n" in workflow
    assert re.search(rf"build/debian_python\.sh \S+ {debian.SUITES['11']}\n", workflow)
    assert "run: /opt/python/bin/nox -s release " in workflow
    assert "python=/opt/python\n" in (minds.ROOT / "build/debian_python.sh").read_text("utf-8")


# --- clean rooms ---------------------------------------------------------------------------------------------------


def test_only_boxes_for_the_processor_are_tried(tmp_path: Path) -> None:
    names = ["x-linux-x86_64", "x-linux-x86_64.tar.gz", "x-linux-x86_64.build.json", "x-linux-arm64", "x-windows.exe"]
    for name in (*names, "SHA256SUMS"):
        (tmp_path / name).touch()
    assert [path.name for path in cleanroom.boxes([tmp_path], "amd64")] == names[:2]
    assert [path.name for path in cleanroom.boxes([tmp_path / names[3]], "arm64")] == [names[3]]


def test_every_place_is_known_to_the_script_and_made_by_the_workflow_where_docker_can() -> None:
    script = (minds.ROOT / "tests/box/clean_linux.sh").read_text("utf-8")
    told = re.findall(r"^#   (\w+) ", script, re.MULTILINE)
    assert told == list(cleanroom.PLACES)
    workflow = (minds.ROOT / ".github/workflows/release.yml").read_text("utf-8")
    assert re.findall(r"^ +try (\w+) --tmpfs", workflow, re.MULTILINE) == told[:-1]  # docker always mounts /proc
