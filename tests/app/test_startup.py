"""What keeps the libraries out, each with a sentence of its own."""

from __future__ import annotations

import builtins
import errno
import sys
import zlib
from pathlib import Path

import pytest

from chat_app import startup
from chat_app.__main__ import main
from chat_app.errors import BoxDamaged, BoxError, LibraryRefused, NoRoom


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a one-file box would have unpacked itself."""
    folder = tmp_path / "_MEI12"
    (folder / "numpy.libs").mkdir(parents=True)
    monkeypatch.setattr(sys, "_MEIPASS", str(folder), raising=False)
    return folder


def importing_fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    real = builtins.__import__

    def fail(name: str, *rest: object) -> object:
        if name == "numpy":
            raise error
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", fail)


def refused(reason: str) -> ImportError:
    """As numpy tells it: the loader's words within a page of advice."""
    error = ImportError("\n\nIMPORTANT: PLEASE READ THIS FOR ADVICE\n")
    error.__cause__ = ImportError(reason)
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (refused("libblas.so: failed to map segment from shared object."), LibraryRefused),
        (ModuleNotFoundError("No module named 'numpy._core'"), BoxDamaged),
        (OSError(errno.ENOSPC, "No space left on device"), NoRoom),
    ],
)
def test_in_a_box_whatever_keeps_numpy_out_is_a_sentence(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, failure: type[BoxError]
) -> None:
    importing_fails(monkeypatch, error)
    with pytest.raises(failure) as caught:
        startup.libraries()
    for lang in ("ru", "en"):
        told = caught.value.sentence(lang)
        assert "ADVICE" not in told
        assert str(unpacked.parent) in told or failure is BoxDamaged
    if failure is LibraryRefused:
        assert "object. Set TMPDIR" in caught.value.sentence("en")


def test_from_source_it_is_a_matter_for_the_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    importing_fails(monkeypatch, ModuleNotFoundError("No module named 'numpy'"))
    with pytest.raises(ModuleNotFoundError):
        startup.libraries()


def test_a_full_disk_is_told_before_anything_is_computed(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (unpacked / "numpy.libs" / "libblas.so.0.packed").write_bytes(zlib.compress(b"ELF"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("chat_app.packed.Path.open", full)
    assert main(["x.mind", "--lang", "ru"]) == 1
    assert "нет места" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"damaged", zlib.compress(b"ELF" * 99)[:-9]])
def test_a_box_that_was_cut_or_changed_says_so(unpacked: Path, content: bytes) -> None:
    (unpacked / "numpy.libs" / "libblas.so.0.packed").write_bytes(content)
    with pytest.raises(BoxDamaged):
        startup.libraries()
