from __future__ import annotations

import pytest

from trainer.corpora.encoding import ENCODINGS, decode, detect

PROSE = "Вечером, когда уже зажгли лампу, пришёл сосед Лука Петрович и сел у печи. — Что нового? — спросил он."


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", [PROSE, "ГЛАВА ПЕРВАЯ. О ТОМ, КАК ЖИЛИ В СТАРОМ ДОМЕ", "Тихо в поле.", "<p>Дом</p>"])
def test_every_encoding_of_russian_is_recognised(text, encoding) -> None:
    plain = text.replace("ё", "е").replace("—", "-")
    assert decode(plain.encode(encoding)) == plain


@pytest.mark.parametrize("declared", ["utf-8", "koi8-r", "no-such-charset", "", "iso-8859-1"])
def test_a_wrong_declaration_does_not_mislead(declared) -> None:
    assert decode(PROSE.encode("cp1251"), declared) == PROSE


def test_plain_latin_and_nothing_are_utf8() -> None:
    assert detect(b"") == detect(b"<html>plain</html>") == "utf-8"


def test_one_broken_byte_costs_one_letter() -> None:
    data = bytearray(PROSE.encode("cp1251"))
    data[10] = 0x98  # undefined in cp1251
    text = decode(bytes(data))
    assert text[:10] == PROSE[:10]
    assert text[11:] == PROSE[11:]


def test_utf8_with_one_broken_byte_is_still_utf8() -> None:
    data = (PROSE * 5).encode() + b"\xff" + PROSE.encode()
    assert decode(data) == PROSE * 5 + "\ufffd" + PROSE
