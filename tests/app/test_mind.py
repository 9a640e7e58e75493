"""The reader of minds: everything that a disk, a network or a stranger can do to a file ends in a sentence."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minds
import numpy as np
import orjson
import pytest

from chat_app import box, template
from chat_app.box import MAGIC
from chat_app.config import Config, tensor_shapes
from chat_app.errors import (
    MindDamaged,
    MindError,
    MindMisfit,
    MindMissing,
    MindTooNew,
    MindTruncated,
    MindUnreadable,
    NoMindInside,
)
from chat_app.integrity import verify
from chat_app.mind import Mind, open_mind
from trainer import mind_file
from trainer.errors import ExportError

Change = Callable[[dict[str, Any], dict[str, Any]], object]


@pytest.fixture(scope="module")
def small(folder: Path) -> Path:
    """The smallest mind there is, so that every byte of it can be tried."""
    pieces = minds.char_pieces(alphabet="аб", marks=True)
    path = folder / "small.mind"
    return minds.random_mind(
        path, pieces, chats=True, n_layer=1, n_head=1, n_kv_head=1, n_embd=2, n_inner=2, block_size=16
    )


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    return orjson.loads(data[8 : 8 + size]), data[8 + size :]


def rewritten(source: Path, target: Path, change: Change) -> Path:
    """A copy whose header has been changed: `change` gets the header and its metadata, parsed."""
    header, tensors = parts(source)
    metadata = header["__metadata__"]
    parsed = {key: orjson.loads(metadata[key]) for key in ("config", "tokenizer", "chat", "card", "golden")}
    change(header, parsed)
    for key, value in parsed.items():
        if key in metadata:
            metadata[key] = value if isinstance(value, str) else orjson.dumps(value).decode()
    raw = json.dumps(header).encode()
    target.write_bytes(len(raw).to_bytes(8, "little") + raw + tensors)
    return target


def boxed(path: Path, mind: bytes, *, before: bytes = b"\x7fELF program", after: bytes = b"") -> Path:
    path.write_bytes(before + mind + len(mind).to_bytes(8, "little") + MAGIC + after)
    return path


def test_a_mind_comes_back_as_it_was_written(chatting: Path) -> None:
    mind = open_mind(chatting)
    verify(mind)
    assert mind.can_chat
    assert mind.card["title"] == "Проба"
    assert mind.manners.greeting == minds.GREETING
    assert mind.manners.sampling.temperature == 0
    assert mind.tokenizer.pieces == minds.bpe_pieces(marks=True)
    assert mind.golden[0].ids
    assert mind.tensor("ln_f.weight").tolist() == [1.0] * mind.config.n_embd


def test_the_same_mind_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (minds.random_mind(tmp_path / name).read_bytes() for name in ("a.mind", "b.mind"))
    assert first == second
    assert minds.random_mind(tmp_path / "c.mind", seed=1).read_bytes() != first


def test_every_truncation_is_refused(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mind"
    path.write_bytes(small.read_bytes())
    for size in reversed(range(path.stat().st_size)):
        os.truncate(path, size)
        with pytest.raises((MindTruncated, NoMindInside, MindDamaged)) as caught:
            open_mind(path)
        assert size < 10 or caught.type is MindTruncated, size


def test_bytes_too_many_are_refused(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.mind"
    path.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(MindDamaged, match="1 bytes too many"):
        open_mind(path)


def test_a_flipped_byte_is_refused_at_once_or_under_verify(small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    dice = random.Random(1)
    path = tmp_path / "flipped.mind"
    path.write_bytes(whole)
    opened = 0
    with path.open("r+b", buffering=0) as file:
        for place in range(len(whole)):
            file.seek(place)
            file.write(bytes([whole[place] ^ dice.randrange(1, 256)]))
            try:
                mind = open_mind(path)
                opened += 1
                mind.tokenizer.decode(mind.tokenizer.encode("аб"))
                with pytest.raises(MindDamaged):
                    verify(mind)
            except MindError:
                pass
            file.seek(place)
            file.write(whole[place : place + 1])
    assert 0 < opened < len(whole)
    verify(open_mind(path))


def test_a_missing_mind_is_named(tmp_path: Path) -> None:
    with pytest.raises(MindMissing, match=r"nowhere\.mind"):
        open_mind(tmp_path / "nowhere.mind")


def test_a_folder_is_not_a_mind(tmp_path: Path) -> None:
    with pytest.raises(MindUnreadable, match="directory"):
        open_mind(tmp_path)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(MindUnreadable):
        open_mind(Path("\0a"))


def test_neighbours_are_searched_once_until_they_change(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mind, other = tmp_path / "a.mind", tmp_path / "mind-in-a-box-other"
    shutil.copy(small, mind)
    other.write_bytes(b"no mind" * 99)
    (tmp_path / "mind-in-a-box-other.tar.gz").write_bytes(b"an archive")
    looked: list[Path] = []
    monkeypatch.setattr(box, "_find_trailer", looked.append)
    assert box.near(mind) == box.near(mind) == [mind]
    assert looked == [other]
    shutil.copy(small, other)
    assert box.near(mind) == [mind, other]


@pytest.mark.parametrize(
    "content", [b"", b"x", b"MZ\x90" * 100, MAGIC, b"\0" * 8 + MAGIC, b"\xff" * 8 + MAGIC, b"{}" * 50]
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(NoMindInside, match=r"photo\.jpg"):
        open_mind(path)


def test_another_safetensors_file_is_not_a_mind(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for header in (b"{}      ", b'{"__metadata__":{"format":1}}', b'{"__metadata__":[]}'):
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(NoMindInside):
            open_mind(path)


@pytest.mark.parametrize(
    "header",
    [b"{", b'{"a":1,"a":2}', b'{"\xff":1}', b'{"a":' * 10_000, b'{"a":' + b"9" * 5000 + b"}", b"{" + b" " * 20 + b"]"],
)
def test_a_header_that_is_not_json_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "damaged.mind"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 10)
    with pytest.raises(MindDamaged, match="not JSON"):
        open_mind(path)


def test_a_header_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.mind"
    path.write_bytes((1 << 40).to_bytes(8, "little") + b'{"a":1}')
    with pytest.raises(NoMindInside):
        open_mind(path)


def test_a_newer_mind_asks_for_a_newer_box(small: Path, tmp_path: Path) -> None:
    path = rewritten(small, tmp_path / "new.mind", lambda h, _: h["__metadata__"].update(format="mind/9"))
    with pytest.raises(MindTooNew, match="mind/9"):
        open_mind(path)


def _entry(name: str, **changes: Any) -> Change:
    return lambda header, _: header[name].update(changes)


MISFITS: dict[str, Change] = {
    "lacks 'card'": lambda h, _: h["__metadata__"].pop("card"),
    "lacks 'sha256'": lambda h, _: h["__metadata__"].pop("sha256"),
    "lacks 'template'": lambda _, m: m["chat"].pop("template"),
    "lacks 'answers'": lambda _, m: m["golden"].pop("answers"),
    "config is not JSON": lambda _, m: m.update(config="{"),
    "card is not a JSON object": lambda _, m: m.update(card=[]),
    "unknown key width": lambda _, m: m["config"].update(width=3),
    "lacks the key n_layer": lambda _, m: m["config"].pop("n_layer"),
    "lacks the key norm": lambda _, m: m["config"].pop("norm"),
    "normaliser is not a JSON object": lambda _, m: m["tokenizer"].update(normaliser=[1]),
    "n_layer must be": lambda _, m: m["config"].update(n_layer=1.0),
    "vocab_size must be": lambda _, m: m["config"].update(vocab_size=0),
    "tied must be true or false": lambda _, m: m["config"].update(tied=1),
    "norm_eps must be": lambda _, m: m["config"].update(norm_eps=-1),
    "norm must be one of": lambda _, m: m["config"].update(norm="batchnorm"),
    "not divisible by n_head": lambda _, m: m["config"].update(n_head=3),
    "not divisible by n_kv_head": lambda _, m: m["config"].update(n_head=2, n_kv_head=3, n_embd=4),
    "even head size": lambda _, m: m["config"].update(n_head=2, position="rope"),
    "8 pieces for a vocab_size of 9": lambda _, m: m["config"].update(vocab_size=9),
    "exactly one unknown": lambda _, m: m["tokenizer"]["types"].__setitem__(1, 2),
    "character map is damaged": lambda _, m: m["tokenizer"].update(
        normaliser={
            "kind": "sentencepiece",
            "charsmap": "CAAAAAAAAAAA",  # nine bytes that say they hold eight beside their size
            "remove_extra_whitespaces": True,
            "escape_whitespaces": True,
        }
    ),
    "template chatml/9 is not known": lambda _, m: m["chat"].update(template="chatml/9"),
    "lacks the marks": lambda _, m: m["tokenizer"]["types"].__setitem__(3, 4),
    "stop ids are not ids": lambda _, m: m["chat"].update(stop_ids=[99]),
    "neither ru nor en": lambda _, m: m["chat"].update(language="la"),
    "sampling defaults": lambda _, m: m["chat"].update(sampling={"temperature": -1}),
    "not made of ids": lambda _, m: m["golden"]["answers"][0].update(ids=[-1]),
    "longer than its context": lambda _, m: m["golden"]["answers"][0].update(ids=[0] * 14),
    "no logits": lambda _, m: m["golden"]["answers"][0].update(top_ids=[], top_logits=[]),
    "as many logits": lambda _, m: m["golden"]["answers"][0].update(top_logits=[1.0]),
    "logits that are not numbers": lambda _, m: m["golden"]["answers"][0].update(top_logits=["много"] * 8),
    "the tensor ln_f.weight is missing": lambda h, _: h.pop("ln_f.weight"),
    "h.5.x has no place": lambda h, _: h.update({"h.5.x": h["ln_f.weight"]}),
    "more layers than": lambda _, m: m["config"].update(n_layer=1 << 24),
    "F32": _entry("ln_f.weight", dtype="F32"),
    r"ln_f.weight is F16 \[3\]": _entry("ln_f.weight", shape=[3]),
}


@pytest.mark.parametrize("reason", MISFITS)
def test_a_mind_that_does_not_fit_together_is_refused_with_the_reason(small: Path, tmp_path: Path, reason: str) -> None:
    path = rewritten(small, tmp_path / "misfit.mind", MISFITS[reason])
    with pytest.raises(MindMisfit, match=reason):
        open_mind(path)


DAMAGES: dict[str, Change] = {
    "entry of the tensor wte.weight is broken": _entry("wte.weight", extra=1),
    "entry of the tensor ln_f.weight is broken": lambda h, _: h.update({"ln_f.weight": 5}),
    "offsets of wte.weight are broken": _entry("wte.weight", data_offsets=[0, True]),
    "offsets of ln_f.weight are broken": _entry("ln_f.weight", data_offsets=4),
    "overlaps": lambda h, _: h["ln_f.weight"].update(data_offsets=h["h.0.ln_1.weight"]["data_offsets"]),
    "leaves a gap": lambda h, _: h["ln_f.weight"].update(
        data_offsets=[o + 2 for o in h["ln_f.weight"]["data_offsets"]]
    ),
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_tensors_must_tile_the_file_exactly(small: Path, tmp_path: Path, reason: str) -> None:
    path = rewritten(small, tmp_path / "damaged.mind", DAMAGES[reason])
    with pytest.raises(MindDamaged, match=reason):
        open_mind(path)


def test_a_changed_weight_opens_but_does_not_verify(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.mind"
    data = bytearray(small.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(MindDamaged, match="checksum"):
        verify(open_mind(path))


def test_a_nan_weight_is_refused_by_the_writer_and_by_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = minds.char_pieces(alphabet="аб")
    config = minds.config(len(pieces.pieces))
    good = minds.arrays(config)
    tensors = {**good, "ln_f.weight": np.full(config.n_embd, np.nan, np.float16)}
    with pytest.raises(ExportError, match=r"ln_f\.weight holds NaN"):
        mind_file.rounded(config, tensors)
    with pytest.raises(ExportError, match="above fp16's 65504"):
        mind_file.rounded(config, {**good, "ln_f.weight": np.full(config.n_embd, 1e6)})
    monkeypatch.setattr(mind_file, "rounded", lambda _config, _tensors: tensors)
    answers = [minds.golden(config, good, [0])]
    chat = minds.manners(pieces, chats=False)
    mind_file.write(tmp_path / "nan.mind", config, tensors, pieces, chat=chat, card={}, golden=answers)
    with pytest.raises(MindDamaged, match=r"ln_f\.weight holds a NaN"):
        verify(open_mind(tmp_path / "nan.mind"))


def test_a_mind_is_read_in_place_inside_a_box_and_before_a_signature(chatting: Path, tmp_path: Path) -> None:
    alone = open_mind(chatting)
    for after in (b"", b"signature" * 1000, MAGIC, b"\0" * 8 + MAGIC):
        carried = open_mind(boxed(tmp_path / "box.exe", chatting.read_bytes(), after=after))
        verify(carried)
        assert carried.start == len(b"\x7fELF program")
        assert (carried.config, carried.card, carried.sha256) == (alone.config, alone.card, alone.sha256)
        assert np.array_equal(carried.tensor("wte.weight"), alone.tensor("wte.weight"))


def test_every_truncation_of_a_box_is_refused(small: Path, tmp_path: Path) -> None:
    path = boxed(tmp_path / "box", small.read_bytes())
    for size in range(path.stat().st_size - 1, 0, -97):
        os.truncate(path, size)
        with pytest.raises(MindError):
            open_mind(path)


def test_a_box_whose_mind_is_cut_says_so(small: Path, tmp_path: Path) -> None:
    with pytest.raises(MindTruncated):
        open_mind(boxed(tmp_path / "box", small.read_bytes()[:-1]))


def test_the_own_box_is_known_only_when_frozen(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = boxed(tmp_path / "box", small.read_bytes())
    monkeypatch.setattr(box.sys, "executable", str(path))
    assert box.own_box() is None
    monkeypatch.setattr(box.sys, "frozen", True, raising=False)  # PyInstaller
    assert box.own_box() == path


def test_the_own_box_of_nuitka_is_the_file_with_a_mind_inside(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = boxed(tmp_path / "box", small.read_bytes())
    monkeypatch.setattr(box, "__compiled__", True, raising=False)
    monkeypatch.setattr(box.sys, "argv", [str(path)])
    assert box.own_box() == path
    monkeypatch.setattr(box.sys, "argv", [str(tmp_path / "gone")])
    assert box.own_box() is None


def test_a_mind_beside_a_signed_program_is_its_own(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, beside = tmp_path / "mind-in-a-box", tmp_path / "mind-in-a-box.mind"
    program.write_bytes(b"signed")
    (tmp_path / "another.mind").write_bytes(small.read_bytes())
    monkeypatch.setattr(box, "__compiled__", True, raising=False)
    monkeypatch.setattr(box.sys, "argv", [str(program)])
    assert box.own_box() is None
    beside.write_bytes(small.read_bytes())
    assert box.own_box() == beside
    assert open_mind(beside).length == small.stat().st_size
    monkeypatch.setattr(box.sys, "argv", [""])
    assert box.own_box() is None


def test_every_switch_of_the_config_names_its_tensors() -> None:
    plain = tensor_shapes(minds.config(7))
    rich = tensor_shapes(minds.config(7, position="rope", mlp="swiglu", qk_norm=True, tied=False, bias=True))
    assert "wpe.weight" in plain
    assert "wpe.weight" not in rich
    assert {
        "lm_head.weight",
        "h.0.mlp.c_gate.weight",
        "h.1.attn.q_norm.weight",
        "h.1.attn.k_norm.weight",
        "h.1.attn.c_v.bias",
        "h.0.mlp.c_gate.bias",
        "h.0.ln_1.bias",
        "ln_f.bias",
    } <= rich.keys()
    assert not any(name.endswith("bias") for name in plain)
    assert not {"ln_f.bias", "h.0.ln_1.bias"} & tensor_shapes(minds.config(7, norm="rmsnorm", bias=True)).keys()
    assert rich["h.0.attn.c_k.weight"] == (8, 16)
    config = minds.config(7)
    assert Config.from_dict(config.to_dict()) == config


def test_marks_stand_in_the_minds_vocabulary(chatting: Path, continuing: Path) -> None:
    def marks(mind: Mind) -> bool:
        return template.has_marks(mind.tokenizer)

    assert marks(open_mind(chatting))
    assert not marks(open_mind(continuing))
    assert not open_mind(continuing).can_chat
