"""Files as documents: every kind and packing that is known, and a sentence for what cannot be read."""

from __future__ import annotations

import bz2
import gzip
import tracemalloc

import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from trainer.corpora.documents import Document, read
from trainer.corpora.encoding import ENCODINGS
from trainer.errors import CorpusError

PACKERS = {"": bytes, ".bz2": bz2.compress, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
PROSE = "Вечером, когда уже зажгли лампу, пришел сосед Лука Петрович и сел у печи. Что нового? - спросил он.\n"


@pytest.mark.parametrize("packing", PACKERS)
def test_text_and_rows_are_read_plain_and_packed(tmp_path, packing) -> None:
    rows = (
        orjson.dumps({"text": "Да", "author": "Я", "title": None, "year": 1899})
        + b"\n\n"
        + orjson.dumps({"text": "Нет"})
    )
    (tmp_path / f"a.txt{packing}").write_bytes(PACKERS[packing](PROSE.encode()))
    (tmp_path / f"b.jsonl{packing}").write_bytes(PACKERS[packing](b"\xef\xbb\xbf" + rows))
    text, first, second = read(tmp_path)
    assert text == Document(text=PROSE, source=f"a.txt{packing}")
    assert first == Document(text="Да", source=f"b.jsonl{packing}", author="Я", year=1899)
    assert second.text == "Нет"


def test_packed_pieces_that_were_joined_are_read_to_the_end(tmp_path) -> None:
    for packing in (".bz2", ".gz", ".zst"):
        (tmp_path / f"a.txt{packing}").write_bytes(PACKERS[packing]("раз ".encode()) + PACKERS[packing]("два".encode()))
    assert [document.text for document in read(tmp_path)] == ["раз два"] * 3


def test_folders_are_read_to_their_depths_in_the_order_of_names(tmp_path) -> None:
    for name in ("б.txt", "а/2.txt", "а/1/я.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")
    (tmp_path / "notes.pdf").write_bytes(b"%PDF")
    (tmp_path / "folder.txt").mkdir()
    assert [document.text for document in read(tmp_path)] == ["а/1/я.txt", "а/2.txt", "б.txt"]


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8", "utf-8-sig", "utf-16"])
def test_a_text_is_read_in_any_russian_encoding(tmp_path, encoding) -> None:
    (tmp_path / "a.txt").write_bytes(PROSE.encode(encoding))
    assert [document.text for document in read(tmp_path / "a.txt")] == [PROSE]


def test_a_dialogue_becomes_lines_of_speech(tmp_path) -> None:
    (tmp_path / "talk.jsonl").write_bytes(orjson.dumps({"src": "plays", "turns": ["Кто там? ", "Почта."]}))
    assert [document.text for document in read(tmp_path / "talk.jsonl")] == ["— Кто там?\n— Почта."]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "Кто там?"}, {"role": "assistant", "content": "Почта."}]},
        {"conversations": [{"from": "human", "value": "Кто там?"}, {"from": "gpt", "value": "Почта."}]},
        {"conversation": [{"role": "user", "content": "Кто там?"}, {"role": "assistant", "content": "Почта."}]},
    ],
)
def test_conversations_of_any_shape_are_texts_too(tmp_path, row) -> None:
    (tmp_path / "talk.jsonl").write_bytes(orjson.dumps(row))
    parquet.write_table(pa.Table.from_pylist([row | {"score": 9}]), tmp_path / "talk.parquet")
    assert [document.text for document in read(tmp_path)] == ["— Кто там?\n— Почта."] * 2


def test_a_table_is_read_with_the_columns_it_has(tmp_path) -> None:
    parquet.write_table(
        pa.table({"text": ["Да", None], "year": [1899, None], "url": ["x", "y"]}), tmp_path / "a.parquet"
    )
    assert list(read(tmp_path)) == [Document("Да", "a.parquet", year=1899), Document("", "a.parquet")]


def test_a_table_is_read_a_few_rows_at_a_time(tmp_path) -> None:
    text = "слово " * 2000
    with parquet.ParquetWriter(tmp_path / "a.parquet", pa.schema([("text", pa.string())])) as writer:
        for i in range(20):
            writer.write_table(pa.table({"text": [f"{i} {j} {text}" for j in range(100)]}), row_group_size=100)
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in read(tmp_path / "a.parquet")]
    assert len(held) == 2000
    assert max(held) + tracemalloc.get_traced_memory()[1] < 30_000_000  # 88 MB in all
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"MZ\0\0\1\0", "is not a text"),
        ("a.txt.bz2", b"not packed", "Fetch or pack it again"),
        ("a.txt.gz", gzip.compress(b"cut short" * 99)[:-9], "Fetch or pack it again"),
        ("a.txt.gz", gzip.compress(b"cut short" * 99)[:30] + b"?" * 30, "Fetch or pack it again"),
        ("a.txt.zst", b"not packed", "Fetch or pack it again"),
        ("a.jsonl", b'{"text": "ok"}\n{"tekst": 1}\n', "Line 2 of"),
        ("a.jsonl", b'{"text": "ok"}\n[1\n', "Line 2 of"),
        ("a.jsonl", b'{"text": "ok"}\n\n[1]\n', "Line 3 of"),
        ("a.jsonl", b'{"text": 7}\n', "Line 1 of"),
        ("a.jsonl", b'{"turns": ["a", 2]}\n', "Line 1 of"),
        ("a.jsonl", '{"text": "Да"}'.encode("cp1251"), "Line 1 of"),
        ("a.parquet", b"not a table", "The table"),
        ("a.doc", b"", "convert it"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, words) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        list(read(tmp_path / name))
    assert words in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_table_without_text_says_which_columns_it_has(tmp_path) -> None:
    parquet.write_table(pa.table({"content": ["Да"], "url": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="no column text, only content, url: rename"):
        list(read(tmp_path))
    parquet.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"Row 1 of .*parquet is neither"):
        list(read(tmp_path))


def test_what_is_read_of_a_file_is_told_in_its_own_bytes(tmp_path) -> None:
    (tmp_path / "a.jsonl.bz2").write_bytes(bz2.compress(b"\n".join(orjson.dumps({"text": f"{i}"}) for i in range(999))))
    parquet.write_table(pa.table({"text": ["Да"] * 600}), tmp_path / "b.parquet")
    told = []
    list(read(tmp_path, told.append))
    assert sum(told) == pytest.approx(sum(file.stat().st_size for file in tmp_path.iterdir()), abs=3)


@given(
    st.binary(max_size=200), st.sampled_from(["a.txt", "a.jsonl", "a.jsonl.gz", "a.txt.zst", "a.txt.bz2", "a.parquet"])
)
def test_any_bytes_are_read_or_refused_with_a_sentence(tmp_path_factory, data, name) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(data)
    try:
        assert all(isinstance(document.text, str) for document in read(path))
    except CorpusError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("packing", [".bz2", ".gz", ".zst"])
def test_a_packed_text_that_was_cut_is_never_read_as_a_shorter_one(tmp_path, packing) -> None:
    packed = PACKERS[packing]("".join(f"{number} {PROSE}" for number in range(3000)).encode())
    for length in (len(packed) - 1, len(packed) // 2, 3):
        (tmp_path / f"a.txt{packing}").write_bytes(packed[:length])
        with pytest.raises(CorpusError, match=r"a\.txt.* cannot be read: .*Fetch or pack it again"):
            list(read(tmp_path))


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("".join(f"Абзац {i} с его словами.\nИ ещё строка.\n\n" for i in range(999)), "\n\n"),
        ("".join(f"Абзац {i}.\r\n \r\n" for i in range(2999)), "\r\n \r\n"),
        ("".join(f"Строка {i}.\n" for i in range(2999)), "\n"),
        ("слово " * 6000, " "),
        ("буквы" * 6000, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_a_large_text_is_read_as_several(tmp_path, monkeypatch, text, ends, encoding) -> None:
    monkeypatch.setattr("trainer.corpora.documents._LARGE", 5000)
    monkeypatch.setattr("trainer.corpora.documents.SAMPLE", 1501)  # cuts letters in half
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode(encoding)))
    found = [document.text for document in read(tmp_path)]
    assert "".join(found) == text
    assert len(found) > 2
    assert all(5000 <= len(part) < 12_000 for part in found)
    assert all(part.endswith(ends) for part in found[:-1])


def test_a_novel_is_one_document(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("Абзац.\n\n" * 200_000, "utf-8")
    (document,) = read(tmp_path)
    assert len(document.text) == 1_600_000


def test_suffixes_may_be_written_in_capitals(tmp_path) -> None:
    (tmp_path / "A.TXT").write_text(PROSE, "utf-8")
    (tmp_path / "B.Txt.GZ").write_bytes(gzip.compress(PROSE.encode()))
    (tmp_path / "C.JSONL").write_bytes(orjson.dumps({"text": PROSE}))
    parquet.write_table(pa.table({"text": [PROSE]}), tmp_path / "D.Parquet")
    assert [document.text for document in read(tmp_path)] == [PROSE] * 4


def test_a_table_with_broken_letters_is_named(tmp_path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    parquet.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"a\.parquet cannot be read: .*utf-8"):
        list(read(tmp_path))
