"""What goes with a release: notes, messages to friends, the joined folder, signatures, workflows, the second build."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import minds
import pytest

sys.path.insert(0, str(minds.ROOT / "build"))
import checksums
import gather
import gift
import licences
import notes
import signing
import twice

STEM = "mind-in-a-box-проба-0.1.0"
SYSTEMS = ("windows-x86_64.exe", "windows-arm64.zip", "macos-arm64", "macos-x86_64.zip", "linux-arm64.tar.gz")
WORKFLOWS = sorted((minds.ROOT / ".github/workflows").glob("*.yml"))


# --- messages to friends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ru", "en"])
@pytest.mark.parametrize("ending", SYSTEMS)
def test_a_message_says_what_to_do_and_how_to_check(ending: str, lang: str) -> None:
    box = gift.Box(f"{STEM}-{ending}", "f" * 64, "Проба")
    text = "\n".join(gift.message(box, lang))
    assert "Проба" in text
    assert box.name in text
    assert text.endswith("f" * 64)
    assert "{" not in text
    assert ("chmod +x" in text) == (box.system != "windows")
    assert ("quarantine" in text) == (box.system == "macos")
    assert ("Подробнее" in text or "More info" in text) == (box.system == "windows")


def test_the_readme_opens_a_box_on_macos_as_the_message_does() -> None:
    readme = (minds.ROOT / "README.md").read_text("utf-8")
    (row,) = re.findall(r"^\| \*\*macOS\*\* .*", readme, re.MULTILINE)
    (name,) = re.findall(r"`\./(\S+)`", row)
    message = "\n".join(gift.message(gift.Box(name, "", ""), "en"))
    for text, called in ((row, name), (re.findall(r"На macOS.*", readme)[0], "ИМЯ")):
        commands = re.findall(r"`([^`]+)`", text)[:3]
        assert all(command.replace(called, name) in message for command in commands), text
        assert "quarantine" in commands[1]


def test_an_archive_is_unpacked_first_and_its_whole_folder_is_cleared() -> None:
    box = gift.Box(f"{STEM}-macos-arm64.zip", "0" * 64, "Проба")
    text = "\n".join(gift.message(box, "en"))
    assert f"Unpack {box.name}. Open Terminal and type: cd ~/Downloads/{STEM}-macos-arm64" in text
    assert "xattr -dr com.apple.quarantine ." in text
    assert "./mind-in-a-box" in text


def test_nobody_who_has_the_archive_is_told_to_ask_for_it() -> None:
    for system, ending in (("windows-x86_64", ".zip"), ("linux-arm64", ".tar.gz")):
        one, packed = (gift.Box(f"{STEM}-{system}{each}", "", "") for each in (".exe", ending))
        assert any("ask me for" in line.lower() for line in gift.message(one, "en"))
        assert not any("ask me for" in line.lower() for line in gift.message(packed, "en"))


def test_both_languages_have_the_same_steps() -> None:
    russian, english = (gift.WORDS[lang] for lang in ("ru", "en"))
    assert russian.keys() == english.keys()
    assert russian["one_file"].keys() == english["one_file"].keys()
    assert all(len(russian[key]) == len(english[key]) for key in ("windows", "macos", "linux"))


def test_the_page_says_it_in_both_languages_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    found: list[str] = []

    class Addresses(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(str(value) for name, value in attrs if name in ("src", "href"))

    (tmp_path / "page.png").write_bytes(b"\x89PNG")
    page = gift.page(gift.Box(f"{STEM}-{SYSTEMS[0]}", "a" * 64, "Проба & <ящик>"), tmp_path / "page.png")
    Addresses().feed(page)
    assert len(found) == 2
    assert all(address.startswith("data:image/png;base64,") for address in found)
    assert page.count("<section") == 2
    assert "Проба &amp; &lt;ящик&gt;" in page


def test_boxes_are_found_with_the_titles_of_their_minds(chatting: Path, tmp_path: Path) -> None:
    (tmp_path / f"{STEM}-linux-arm64").write_bytes(chatting.read_bytes())
    for name in (f"{STEM}-linux-arm64.tar.gz", f"{STEM}-linux-arm64.build.json", "SHA256SUMS"):
        (tmp_path / name).touch()
    found = gift.found(tmp_path)
    assert [box.name for box in found] == [f"{STEM}-linux-arm64.tar.gz", f"{STEM}-linux-arm64"]
    assert {box.title for box in found} == {gift.open_mind(chatting).title}


def test_a_mind_that_only_continues_is_not_praised_as_a_talker(continuing: Path, tmp_path: Path) -> None:
    (tmp_path / f"{STEM}-linux-arm64").write_bytes(continuing.read_bytes())
    (box,) = gift.found(tmp_path)
    assert "дописывает начатое тобой" in gift.message(box, "ru")[0]
    assert "talk" not in gift.message(box, "en")[0]


# --- notes ---------------------------------------------------------------------------------------------------------


def build(place: str, names: dict[str, int], **changes: object) -> dict[str, object]:
    return {
        "name": f"{STEM}-{place}", "version": "0.1.0", "commit": "abc",
        "mind": {"title": "Проба", "sha256": "1" * 64, "licence": "MIT", "recipe": "tiny"},
        "glibc": {"at_least": "2.28", "because_of": "libm"} if "linux" in place else None,
        "built_on": "macOS-15.5-arm64-arm-64bit-Mach-O" if "macos" in place else "Windows-2025Server-10.0.26100-SP0",
        "files": {name: {"bytes": size} for name, size in names.items()},
    } | changes  # fmt: skip


def test_the_notes_have_a_row_for_every_file_windows_first() -> None:
    builds = [
        build("linux-x86_64-nuitka", {"c": 90_000_000}),
        build("linux-x86_64", {"b.tar.gz": 99_000_000, "b": 95_400_000}),
        build("windows-x86_64", {"a.exe": 96_000_000}),
    ]
    rows = [line for line in notes.written(builds).splitlines() if line.startswith("|")][2:]
    assert rows == [
        "| Windows | `a.exe` | 96 |  |", "| Linux | `b` | 95 | glibc 2.28 |",
        "| Linux | `b.tar.gz` | 99 | glibc 2.28 |", "| Linux | `c` | 90 | glibc 2.28 |",
    ]  # fmt: skip


@pytest.mark.parametrize("change", [{"commit": "abd"}, {"mind": {"title": "Другой"}}])
def test_builds_of_two_minds_or_commits_are_no_release(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not of one each"):
        notes.written([build("linux-x86_64", {"a": 1}), build("windows-x86_64", {"b": 1}, **change)])


def test_the_notes_name_the_repository_where_there_is_one_and_what_the_zip_of_nuitka_is() -> None:
    builds = [build("macos-arm64-nuitka", {"a.zip": 1})]
    assert "gh attestation" not in notes.written(builds)
    assert "\n- `gh attestation verify FILE --repo mind/box` says" in notes.written(builds, "mind/box")
    assert "`.zip` for macOS only\nholds the mind beside it" in notes.written(builds)
    assert "| `a.zip` | 0 | macOS 15 |" in notes.written(builds)


# --- one folder ----------------------------------------------------------------------------------------------------


def dist(folder: Path, name: str, terms: str) -> Path:
    folder.mkdir()
    (folder / name).write_text(name)
    (folder / gather.TERMS).write_text(terms)
    (folder / checksums.NAME).write_text("of this folder alone")
    return folder


def test_what_all_platforms_made_comes_together_with_all_terms_and_new_sums(tmp_path: Path) -> None:
    python = licences._section("Python", "PSF")
    first, second = (f"{python}\n\n{licences._section(name, 'terms')}" for name in ("Nuitka", "PyInstaller"))
    folders = [dist(tmp_path / "one", "a", first), dist(tmp_path / "two", "b", second)]
    gather.gather(folders, tmp_path / "all")
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"a", "b", gather.TERMS, checksums.NAME}
    terms = (tmp_path / "all" / gather.TERMS).read_text()
    assert [terms.count(word) for word in ("PSF", "Nuitka", "PyInstaller")] == [1, 1, 1]
    sums = (tmp_path / "all" / checksums.NAME).read_text()
    assert [row.split()[1] for row in sums.splitlines()] == [gather.TERMS, "a", "b"]


def test_two_builds_of_the_same_name_are_not_mixed(tmp_path: Path) -> None:
    folders = [dist(tmp_path / name, "box", "") for name in ("one", "two")]
    with pytest.raises(FileExistsError):
        gather.gather(folders, tmp_path / "all")


# --- signatures, the second build ----------------------------------------------------------------------------------


def test_a_program_is_signed_by_the_command_that_is_told_and_otherwise_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "коробка с пробелом"
    program.write_bytes(b"program and mind")
    monkeypatch.delenv("SIGN_COMMAND", raising=False)
    signing.sign(program)
    assert program.read_bytes() == b"program and mind"
    script = "import sys; open(sys.argv[2], 'ab').write(sys.argv[1].encode())"
    monkeypatch.setenv("SIGN_COMMAND", f"'{sys.executable}' -c \"{script}\" 'signed by me'")
    signing.sign(program)
    assert program.read_bytes() == b"program and mindsigned by me"


def test_a_second_build_is_compared_file_by_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / "same").write_text("same")
        (tmp_path / name / "other").write_text(name)
    (tmp_path / "second" / "new").touch()
    assert twice.different(tmp_path / "first", tmp_path / "second") == ["new", "other"]
    assert twice.different(tmp_path / "first", tmp_path / "first") == []


# --- workflows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_and_images_are_pinned_and_permissions_given_one_by_one(path: Path) -> None:
    text = path.read_text("utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in used)
    images = re.findall(r"(?:container: |- )((?:debian|fedora)\S+)", text)
    assert all(re.fullmatch(r"\S+:\S+@sha256:[0-9a-f]{64}", name) for name in images)
    assert "\npermissions: {}\n" in text
    assert text.count("persist-credentials: false") == sum("checkout@" in name for name in used)


def test_a_workflow_calls_only_scripts_that_are_there_and_run() -> None:
    for path in WORKFLOWS:
        for name in re.findall(r"(?:\.github|build|tests/box)/\w+\.(?:sh|ps1)", path.read_text("utf-8")):
            assert (minds.ROOT / name).is_file(), name
            assert name.endswith(".ps1") or os.access(minds.ROOT / name, os.X_OK), name


def test_a_release_fails_where_a_part_of_a_pipe_does() -> None:
    text = (minds.ROOT / ".github/workflows/release.yml").read_text("utf-8")
    assert "\ndefaults:\n  run:\n    shell: bash" in text  # the shell that is taken unnamed has no pipefail


@pytest.mark.skipif(sys.platform == "win32", reason="programs of macOS, played by scripts")
@pytest.mark.parametrize(("status", "code"), [("Accepted", 0), ("Invalid", 1)])
def test_what_apple_rejects_is_no_release_and_the_log_says_why(tmp_path: Path, status: str, code: int) -> None:
    (tmp_path / "dist").mkdir()
    for name in ("mind-in-a-box-a.zip", "mind-in-a-box-a.build.json"):
        (tmp_path / "dist" / name).touch()
    xcrun = tmp_path / "xcrun"
    xcrun.write_text(
        '#!/bin/sh\ncase $2 in submit) printf \'{"id": "7f", "status": "%s"}\' ' + status + " ;;\n"
        'log) echo "log of $3: no hardened runtime" ;; esac\n'
    )
    xcrun.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path)}
    env |= dict.fromkeys(("APPLE_ID", "APPLE_TEAM", "APPLE_PASSWORD"), "x")
    command = [minds.ROOT / ".github/notarise.sh", tmp_path / "dist"]
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == code
    assert ("log of 7f: no hardened runtime" in done.stderr) == bool(code)


def test_every_platform_is_pinned_by_hash() -> None:
    pinned = sorted((minds.ROOT / "build/requirements").glob("*.txt"))
    assert len(pinned) == 6
    for path in pinned:
        lines = [line for line in path.read_text("utf-8").splitlines() if "==" in line]
        assert {"numpy", "nuitka", "pyinstaller", "orjson"} <= {line.partition("==")[0] for line in lines}
        assert all(line.endswith("\\") for line in lines), path.name  # a hash follows


@pytest.mark.parametrize(("python", "pinned"), [((3, 11), True), ((3, 14), False)])
def test_where_nothing_is_pinned_a_release_says_so_and_compiles_its_bootloader_all_the_same(
    python: tuple[int, int], pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nox")
    monkeypatch.chdir(minds.ROOT)
    monkeypatch.syspath_prepend(minds.ROOT)
    import noxfile

    asked: list[str] = []
    warned: list[str] = []
    session = SimpleNamespace(
        install=lambda *words, **_: asked.extend(words), warn=warned.append, run=lambda *_, **__: "/roomy_temp.o\n"
    )
    monkeypatch.setenv("PYINSTALLER_COMPILE_BOOTLOADER", "1")
    monkeypatch.setattr(noxfile, "_place", lambda: "linux-x86_64")
    monkeypatch.setattr(noxfile, "sys", SimpleNamespace(version_info=python, platform="linux"))
    noxfile._for_release(session)
    assert asked[:2] == ["--no-binary", "pyinstaller"]
    assert ("--require-hashes" in asked, bool(warned)) == (pinned, not pinned)


def test_the_notes_of_a_folder_are_read_from_its_build_infos(tmp_path: Path) -> None:
    (tmp_path / "a.build.json").write_text(json.dumps(build("macos-arm64", {"a": 1_000_000})), "utf-8")
    command = [sys.executable, minds.ROOT / "build/notes.py", tmp_path]
    assert "macOS, Apple silicon" in subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
