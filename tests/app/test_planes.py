"""Packed minds: to the bit what they were, and every stream that lies is found out."""

from __future__ import annotations

import os
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minds
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import planes, selftest
from chat_app.box import MAGIC
from chat_app.config import LARGEST_SIZE
from chat_app.errors import MindDamaged, MindError, MindMisfit, MindTruncated
from chat_app.integrity import verify
from chat_app.mind import Mind, open_mind
from chat_app.planes import Reader, Stored
from chat_app.weights import Weights
from trainer import mind_file
from trainer.mind_file import Variant

sys.path.insert(0, str(minds.ROOT / "build"))

import contents
import packing


def packed(source: Path, target: Path) -> Mind:
    packing.write(source, target, pack=True)
    return open_mind(target)


def same(one: Mind, other: Mind) -> bool:
    """Whether all tensors of all voices are the same to the bit."""
    return all(
        one.tensor(name, mode).tobytes() == other.tensor(name, mode).tobytes()
        for mode in ("", *one.variants)
        for name in one.tensors
    )


@pytest.fixture(scope="module")
def voiced(folder: Path) -> Path:
    """The smallest mind with another voice, whose weights are all the numbers that training likes."""
    pieces = minds.char_pieces(alphabet="аб", marks=True)
    config = minds.config(len(pieces.pieces), n_layer=1, n_head=1, n_kv_head=1, n_embd=2, n_inner=2, block_size=16)
    base, other = minds.arrays(config, 0), minds.arrays(config, 1)
    theirs = base | {"h.0.attn.c_proj.weight": other["h.0.attn.c_proj.weight"]}
    prompt = [4, 5]
    about = {
        "title": "Философ", "description": "", "sampling": {}, "answers": [minds.golden(config, theirs, prompt)],
    }  # fmt: skip
    mind_file.write(
        folder / "voiced.mind", config, base, pieces, chat=minds.manners(pieces, chats=True), card={"title": "Проба"},
        golden=[minds.golden(config, base, prompt)], variants={"artistic": Variant(theirs, about)},
    )  # fmt: skip
    return folder / "voiced.mind"


@pytest.fixture(scope="module")
def large(folder: Path) -> Path:
    """A mind some of whose tensors take three chunks, the last of them not whole."""
    return minds.random_mind(folder / "large.mind", chats=True, n_layer=1, n_embd=64, n_inner=2050, block_size=16)


# --- to the bit ------------------------------------------------------------------------------------------------------


def through(folder: Path, bits: np.ndarray) -> np.ndarray:
    """Numbers as they come back from a file in which they stand packed, behind an odd number of other bytes."""
    lower, upper = planes.packed(bits)
    (folder / "chunk").write_bytes(b"odd" + lower + upper)
    (chunk,) = Stored(3, bits.shape, (len(upper),)).chunks()
    with Reader(folder / "chunk") as reader:
        return reader.read(chunk).view(np.uint16).copy()


def test_every_number_there_is_comes_back_to_the_bit(tmp_path: Path) -> None:
    """Among them all NaN with what they carry, both zeros, the subnormal, the infinite."""
    bits = np.random.default_rng(0).permutation(1 << 16).astype(np.uint16)
    assert np.array_equal(through(tmp_path, bits), bits)


@given(st.binary(min_size=2, max_size=3000), st.integers(1, 40))
def test_any_numbers_come_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, raw: bytes, times: int) -> None:
    bits = np.frombuffer((raw * times)[: len(raw) * times // 2 * 2], np.uint16)[: planes.CHUNK]
    assert np.array_equal(through(tmp_path_factory.getbasetemp(), bits), bits)


@pytest.mark.parametrize("bits", [np.zeros(1, np.uint16), np.full(planes.CHUNK, 0xFE01, np.uint16)])
def test_a_stream_is_never_larger_than_its_limit(bits: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 1 << 16, len(bits), np.uint16)
    for numbers in (bits, noise):
        assert len(planes.packed(numbers)[1]) <= len(numbers) + planes.LONGER


def test_a_packed_mind_is_the_same_mind(large: Path, tmp_path: Path) -> None:
    plain, mind = open_mind(large), packed(large, tmp_path / "packed.mind")
    verify(mind)
    assert mind.length < 0.9 * plain.length
    assert (mind.format, mind.sha256, mind.card, mind.golden) == ("mind/3", plain.sha256, plain.card, plain.golden)
    assert same(plain, mind)
    weights = Weights.from_mind(mind)
    assert np.array_equal(weights.arena, Weights.from_mind(plain).arena)
    assert selftest.run(mind, weights) < 1e-3


def test_voices_are_packed_too(voiced: Path, tmp_path: Path) -> None:
    plain, mind = open_mind(voiced), packed(voiced, tmp_path / "packed.mind")
    verify(mind)
    assert same(plain, mind)
    assert selftest.run(mind, Weights.from_mind(mind)) < 1e-3
    both = [m.tensor("h.0.attn.c_proj.weight", mode).tobytes() for m in (plain, mind) for mode in ("", "artistic")]
    assert both[0] != both[1]
    assert both[:2] == both[2:]


@pytest.mark.parametrize("name", ["chatting", "continuing", "voiced", "large"])
def test_unpacking_gives_the_very_file_that_was_packed(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue(name)
    mind = packed(source, tmp_path / "packed.mind")
    assert b"".join(packing.unpacked(mind)) == source.read_bytes()
    assert packing.unpacked_size(mind) == source.stat().st_size == packing.unpacked_size(open_mind(source))
    assert b"".join(packing.packed(mind)) == mind.path.read_bytes()
    assert b"".join(packing.unpacked(open_mind(source))) == source.read_bytes()


def test_a_grown_mind_shrinks_by_a_seventh_and_comes_back(tmp_path: Path) -> None:
    path = minds.ROOT / "assets" / "chekhov.mind"
    mind = packed(path, tmp_path / "packed.mind")
    assert mind.length < 0.86 * path.stat().st_size
    packing.write(mind.path, tmp_path / "back.mind", pack=False)
    assert (tmp_path / "back.mind").read_bytes() == path.read_bytes()


def test_loading_never_holds_a_packed_mind_twice(large: Path, tmp_path: Path) -> None:
    mind = packed(large, tmp_path / "packed.mind")
    tracemalloc.start()
    try:
        Weights.from_mind(mind)  # into an arena of the system's, which is not counted
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 8 * planes.CHUNK  # of four threads at most, each with a chunk packed, unpacked and in between


def test_any_safetensors_library_opens_a_packed_mind(large: Path, tmp_path: Path) -> None:
    import safetensors.numpy

    mind = packed(large, tmp_path / "packed.mind")
    tensors = safetensors.numpy.load_file(mind.path)
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.uint8)}
    assert tensors.keys() == mind.tensors.keys()


# --- what a box carries ----------------------------------------------------------------------------------------------


def test_a_box_carries_the_mind_packed_or_not(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MIND", tmp_path / "mind")
    monkeypatch.setattr(contents, "DATA", tmp_path / "data")
    monkeypatch.setattr(contents.licences, "text", lambda packer: packer)  # which asks for the packer's own
    box = tmp_path / "mind-in-a-box"
    for pack, format_ in ((True, "mind/3"), (False, "mind/1"), (True, "mind/3")):
        contents.prepare(box if box.exists() else large, "pyinstaller", pack=pack)  # the next one is made of a box
        box.write_bytes(b"\x7fELF program" + contents.MIND.read_bytes())
        carried = open_mind(box)
        verify(carried)
        assert carried.format == format_
        assert same(carried, open_mind(large))


def test_the_script_packs_and_unpacks(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(*words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["packing.py", *map(str, words)])
        packing.main()

    script(large, tmp_path / "a.mind")
    assert "a.mind  0.5 MB" in capsys.readouterr().out
    script(tmp_path / "a.mind", tmp_path / "b.mind", "--unpack")
    assert (tmp_path / "b.mind").read_bytes() == large.read_bytes()
    with pytest.raises(SystemExit, match="There is no mind at"):
        script(tmp_path / "nowhere.mind", tmp_path / "c.mind")


def test_a_mind_that_packing_would_change_is_left_alone(voiced: Path, tmp_path: Path) -> None:
    data = voiced.read_bytes()
    size = int.from_bytes(data[:8], "little")
    path = tmp_path / "spaced.mind"
    path.write_bytes((size + 8).to_bytes(8, "little") + data[8 : 8 + size] + b" " * 8 + data[8 + size :])
    with pytest.raises(SystemExit, match=r"spaced\.mind was not written by our exporter"):
        list(packing.packed(open_mind(path)))
    assert b"".join(packing.unpacked(open_mind(path))) == path.read_bytes()


# --- what is refused -------------------------------------------------------------------------------------------------


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    return orjson.loads(data[8 : 8 + size]), data[8 + size :]


def joined(path: Path, header: dict[str, Any], tensors: bytes) -> Path:
    raw = orjson.dumps(header)
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + tensors)
    return path


@pytest.fixture
def small(voiced: Path, tmp_path: Path) -> Path:
    return packed(voiced, tmp_path / "small.mind").path


def test_every_truncation_of_a_packed_mind_is_refused(small: Path) -> None:
    for size in reversed(range(10, small.stat().st_size)):
        os.truncate(small, size)
        with pytest.raises(MindTruncated):
            open_mind(small)


def test_bytes_too_many_are_refused(small: Path) -> None:
    small.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(MindDamaged, match="1 bytes too many"):
        open_mind(small)


def test_a_flipped_byte_is_refused_or_changes_nothing(small: Path, voiced: Path) -> None:
    """The bits that fill up a stream's last byte mean nothing, as the spaces that fill up a header do."""
    whole, plain, dice = small.read_bytes(), open_mind(voiced), random.Random(1)
    tensors = len(parts(small)[1])
    places = [*range(0, len(whole) - tensors, 7), *range(len(whole) - tensors, len(whole))]
    refused = 0
    with small.open("r+b", buffering=0) as file:
        for place in places:
            file.seek(place)
            file.write(bytes([whole[place] ^ dice.randrange(1, 256)]))
            try:
                mind = open_mind(small)
                verify(mind)
                assert same(plain, mind)
                assert (mind.config, mind.sha256) == (plain.config, plain.sha256)
            except MindError:
                refused += 1
            file.seek(place)
            file.write(whole[place : place + 1])
    assert refused > 0.95 * len(places)
    verify(open_mind(small))


Change = Callable[[dict[str, Any], dict[str, Any]], object]
REFUSED: dict[str, tuple[type[MindError], Change]] = {
    "lacks 'packed'": (MindMisfit, lambda h, _: h["__metadata__"].pop("packed")),
    "tells of h.5.x, which is no tensor": (MindMisfit, lambda _, s: s.update({"h.5.x": [9]})),
    "ln_f.weight has not the 1 streams": (MindDamaged, lambda _, s: s.pop("ln_f.weight")),
    "wte.weight has not the 1 streams": (MindDamaged, lambda _, s: s["wte.weight"].append(9)),
    "wpe.weight has not the 1 streams": (MindDamaged, lambda _, s: s.update({"wpe.weight": 9})),
    "wte.weight have impossible sizes": (MindDamaged, lambda _, s: s.update({"wte.weight": [0]})),
    "wpe.weight have impossible sizes": (MindDamaged, lambda _, s: s.update({"wpe.weight": [-9]})),
    "ln_f.weight have impossible sizes": (MindDamaged, lambda _, s: s.update({"ln_f.weight": [True]})),
    "c_proj.weight have impossible sizes": (MindDamaged, lambda _, s: s.update({"h.0.mlp.c_proj.weight": [69]})),
    r"ln_1.weight is U8 \[\d+\] instead": (MindMisfit, lambda _, s: s["h.0.ln_1.weight"].__setitem__(0, 9)),
    "ln_2.weight is F16": (MindMisfit, lambda h, _: h["h.0.ln_2.weight"].update(dtype="F16")),
    "bias is missing": (MindMisfit, lambda h, _: h["__metadata__"].update(config=biased(h))),
    "mind/4": (MindError, lambda h, _: h["__metadata__"].update(format="mind/4")),
    "is U8": (MindMisfit, lambda h, _: h["__metadata__"].update(format="mind/2")),
}


def biased(header: dict[str, Any]) -> str:
    return orjson.dumps(orjson.loads(header["__metadata__"]["config"]) | {"bias": True}).decode()


@pytest.mark.parametrize("reason", REFUSED)
def test_packing_that_does_not_fit_is_refused_with_the_reason(small: Path, tmp_path: Path, reason: str) -> None:
    header, tensors = parts(small)
    streams = orjson.loads(header["__metadata__"]["packed"])
    kind, change = REFUSED[reason]
    header["__metadata__"]["packed"] = streams
    change(header, streams)
    if "packed" in header["__metadata__"]:
        header["__metadata__"]["packed"] = orjson.dumps(streams).decode()
    with pytest.raises(kind, match=reason):
        open_mind(joined(tmp_path / "bad.mind", header, tensors))


def test_a_tensor_of_absurd_size_is_refused_before_anything_is_made_for_it(small: Path, tmp_path: Path) -> None:
    header, tensors = parts(small)
    config = orjson.loads(header["__metadata__"]["config"])
    header["__metadata__"]["config"] = orjson.dumps(config | {"n_inner": LARGEST_SIZE}).decode()
    with pytest.raises(MindDamaged, match="has not the"):
        open_mind(joined(tmp_path / "bad.mind", header, tensors))


def with_stream(source: Path, target: Path, stream: bytes) -> Mind:
    """A copy in which the upper plane of `ln_f.weight`, of two numbers, is `stream`, and the header says so."""
    mind = open_mind(source)
    header, _ = parts(source)
    stored = mind.tensors["ln_f.weight"]
    streams = orjson.loads(header["__metadata__"]["packed"])
    (old,) = streams["ln_f.weight"]
    difference = len(stream) - old
    streams["ln_f.weight"] = [len(stream)]
    header["__metadata__"]["packed"] = orjson.dumps(streams).decode()
    begin, end = header["ln_f.weight"]["data_offsets"]
    for entry in header.values():
        if "data_offsets" in entry and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [offset + difference for offset in entry["data_offsets"]]
    header["ln_f.weight"].update(shape=[end - begin + difference], data_offsets=[begin, end + difference])
    data = source.read_bytes()
    tensors = data[mind.start + len(data) - len(parts(source)[1]) : stored.offset + 2] + stream
    joined(target, header, tensors + data[stored.offset + end - begin :])
    return open_mind(target)


FILLED = zlib.compress(b"\x3c\x3c")
STREAMS = {
    "nothing in it": zlib.compress(b""),
    "one byte too few": zlib.compress(b"\x3c"),
    "one byte too many": zlib.compress(b"\x3c\x3c\x3c"),
    "a bomb": zlib.compress(bytes(40_000), 9),
    "cut short": FILLED[:-1],
    "without an end": FILLED[:-5],
    "more behind it": FILLED + b"\0",
    "another stream behind it": FILLED + FILLED,
    "a wrong checksum": FILLED[:-1] + bytes([FILLED[-1] ^ 1]),
    "a dictionary": zlib.compressobj(zdict=b"\x3c\x3c").compress(b"") + b"\x78\xbb\x01\x02\x03\x04\x03\x00",
    "no zlib": b"\xff" * 20,
    "raw deflate": FILLED[2:-4],
    "gzip": zlib.compressobj(wbits=31).compress(b"") + b"\x1f\x8b\x08" + bytes(20),
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_stream_that_lies_is_refused_when_it_is_read(small: Path, tmp_path: Path, stream: bytes) -> None:
    assert len(stream) <= 2 + planes.LONGER
    mind = with_stream(small, tmp_path / "bad.mind", stream)
    for read in (Weights.from_mind, verify, lambda mind: mind.tensor("ln_f.weight")):
        with pytest.raises(MindDamaged, match=r"at byte \d+"):
            read(mind)


def test_a_stream_written_otherwise_is_read(small: Path, tmp_path: Path) -> None:
    plain = open_mind(small).tensor("ln_f.weight").view(np.uint16)
    upper = (plain >> 8).astype(np.uint8).tobytes()
    for level in (0, 1, 9):
        verify(with_stream(small, tmp_path / "other.mind", zlib.compress(upper, level)))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    count = planes.CHUNK
    bomb = zlib.compress(bytes(8_000_000), 1)
    assert len(bomb) <= count + planes.LONGER
    (tmp_path / "bomb").write_bytes(bytes(count) + bomb)
    (chunk,) = Stored(0, (count,), (len(bomb),)).chunks()
    with Reader(tmp_path / "bomb") as reader:
        tracemalloc.start()
        try:
            with pytest.raises(MindDamaged, match=f"not the {count} weights"):
                reader.read(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 * count


def test_sizes_that_lie_about_each_other_are_found_when_read(large: Path, tmp_path: Path) -> None:
    mind = packed(large, tmp_path / "packed.mind")
    header, tensors = parts(mind.path)
    streams = orjson.loads(header["__metadata__"]["packed"])
    sizes = streams["h.0.mlp.c_fc.weight"]
    assert len(sizes) == 3
    sizes[0], sizes[1] = sizes[0] - 5, sizes[1] + 5
    header["__metadata__"]["packed"] = orjson.dumps(streams).decode()
    lying = open_mind(joined(tmp_path / "lying.mind", header, tensors))
    with pytest.raises(MindDamaged):
        Weights.from_mind(lying)


def test_a_packed_mind_cut_after_it_was_opened_is_refused(large: Path, tmp_path: Path) -> None:
    mind = packed(large, tmp_path / "packed.mind")
    os.truncate(mind.path, mind.length - 10)
    with pytest.raises(MindTruncated):
        Weights.from_mind(mind)


def test_a_changed_weight_and_one_that_is_not_finite_are_found_by_verify(small: Path, tmp_path: Path) -> None:
    mind = open_mind(small)
    data = bytearray(small.read_bytes())
    data[mind.tensors["ln_f.weight"].offset] ^= 1
    (tmp_path / "changed.mind").write_bytes(data)
    with pytest.raises(MindDamaged, match="checksum"):
        verify(open_mind(tmp_path / "changed.mind"))


def test_a_packed_mind_is_read_in_place_inside_a_box(large: Path, tmp_path: Path) -> None:
    mind = packed(large, tmp_path / "packed.mind").path.read_bytes()
    (tmp_path / "box.exe").write_bytes(b"\x7fELF program" + mind + len(mind).to_bytes(8, "little") + MAGIC + b"signed")
    carried = open_mind(tmp_path / "box.exe")
    verify(carried)
    assert same(open_mind(large), carried)
