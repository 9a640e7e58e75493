from __future__ import annotations

import sys
import zlib
from pathlib import Path

import pytest

from chat_app import packed


def test_a_packed_library_comes_to_its_place_and_leaves_no_second_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "numpy.libs"
    folder.mkdir()
    (folder / "libblas.so.0.packed").write_bytes(zlib.compress(b"ELF" * 1000))
    (folder / "libblas.so.1.packed").write_bytes(zlib.compress(b"end" * 10))
    (folder / "libother.so").write_bytes(b"ELF")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    packed.unpack()
    assert (folder / "libblas.so").read_bytes() == b"ELF" * 1000 + b"end" * 10
    assert sorted(path.name for path in folder.iterdir()) == ["libblas.so", "libother.so"]


def test_from_source_nothing_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "_MEIPASS", raising=False)
    packed.unpack()
