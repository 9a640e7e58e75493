"""The commands that look into a mind, as they are drawn, listed and read aloud."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import minds
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from chat_app import commands, language, shades
from chat_app.attraction import Continuation, Group
from chat_app.chat import Chat
from chat_app.errors import (
    BadSetting,
    MessageTooLong,
    NoChildhood,
    NoSuchAlternative,
    NoSuchToken,
    NothingSaid,
    NothingToLookAt,
)
from chat_app.insight import Survey
from chat_app.look import Alternative, Token
from chat_app.mind import open_mind
from chat_app.shades import ALOUD, Canvas, text_of
from chat_app.text import columns, printable

SHADED, BARE = Canvas(60, shaded=True, aloud=False), Canvas(60, shaded=False, aloud=False)
TOKENS = st.builds(
    Token, st.just(7), st.text(st.sampled_from("абвx\u4e2d \n\u0301"), max_size=6), st.just("▁п"),
    st.floats(0, 1), st.floats(0, 12), st.just(()),
)  # fmt: skip


@pytest.fixture(params=["ru", "en"])
def lang(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def chat(chatting: Path, home: Path) -> Chat:
    return Chat.with_mind(open_mind(chatting), home)


@pytest.fixture
def talked(chat: Chat) -> Chat:
    "".join(chat.say("Как дела?"))
    return chat


def lines(chat: Chat, line: str, canvas: Canvas = ALOUD, lang: str = "en") -> list[str]:
    outcome = commands.run(chat, line, lang, canvas)
    return [*outcome.text.splitlines(), *map(text_of, outcome.lines)]


# --- /look --------------------------------------------------------------------------------------------------------


def test_look_shades_the_answer_under_numbers_and_over_a_line_of_entropy(talked: Chat) -> None:
    numbers, text, heights, legend, *_ = lines(talked, "/look", SHADED)
    assert (numbers, text) == ("1", minds.ANSWER_TEXT)
    assert len(heights) == len(text)
    assert set(heights) <= set("▁▂▃▄▅▆▇█")
    assert legend.startswith("■ ≥ 50%   ■ ≥ 20%   ■ ≥ 5%   ■ ≥ 1%   ■ < 1%")
    shown = list(commands.run(talked, "/look", "en", SHADED).lines)[1]
    assert shown == [("sure", "Привет"), ("sure", ","), ("sure", " друг"), ("sure", "!")]


def test_look_lists_numbers_and_shares_where_no_shade_is_seen(talked: Chat, lang: str) -> None:
    first, *_, heights, _ = lines(talked, "/look", BARE, lang)
    percent = " %" if lang == "ru" else "%"
    assert re.match(rf"1 Привет \d\d+{percent} [▁-█]  2 , \d\d+{percent} [▁-█]  ", first)
    assert heights.startswith(language.HEIGHTS.ru[:8] if lang == "ru" else language.HEIGHTS.en[:8])


def test_look_reads_one_token_a_line_and_no_bars_to_those_who_listen(talked: Chat, lang: str) -> None:
    told = lines(talked, "/look", ALOUD, lang)
    assert [line.partition(":")[0] for line in told[:4]] == ["1. Привет", "2. ,", "3. ␣друг", "4. !"]
    assert not re.search("[▁-█]", "".join([*told, *lines(talked, "/look 1"), *lines(talked, "/attract 3")]))


def test_look_at_one_token_lists_what_might_have_stood_there(talked: Chat, lang: str) -> None:
    head, first, *_, hint = lines(talked, "/look 3", BARE, lang)
    assert head.startswith("Токен 3 «␣друг»: " if lang == "ru" else "Token 3 “␣друг”: ")
    assert re.match(r" 1  ␣друг .*%  █+ ←", first)
    assert "/fork 3" in hint


@pytest.mark.parametrize("number", ["0", "5", "-1", "много", "99999999999999999999999", "²"])
def test_a_number_that_is_no_token_is_refused(talked: Chat, number: str) -> None:
    for name in ("look", "fork"):
        with pytest.raises(NoSuchToken) as caught:
            commands.run(talked, f"/{name} {number}", "en")
        assert number in caught.value.sentence("ru")


def test_there_is_nothing_to_look_into_before_an_answer(chat: Chat) -> None:
    for line in ("/look", "/look 1", "/fork 1"):
        with pytest.raises(NothingToLookAt):
            commands.run(chat, line, "ru")


@given(st.lists(TOKENS, min_size=1, max_size=40), st.integers(12, 60))
def test_rows_hold_the_whole_text_within_the_window_each_number_over_its_token(tokens: list[Token], width: int) -> None:
    canvas = Canvas(width, shaded=True, aloud=False)
    legend = [text_of(line) for line in shades._legend(width, "ru")]
    assert all(columns(line.rstrip()) < width for line in legend)
    drawn = [text_of(line) for line in shades.answer(tokens, canvas, "ru")][: -len(legend) - 1]
    numbers, rows, spark = drawn[::3], drawn[1::3], drawn[2::3]
    assert "".join(rows) == "".join(token.text for token in tokens).replace("\n", "⏎")
    assert all(columns(row) < width for row in rows)
    assert [len(line) for line in spark] == [columns(row) for row in rows]
    starts, column, row = {}, 0, 0
    for number, token in enumerate(tokens, 1):
        while rows and row < len(rows) - 1 and column == columns(rows[row]) and columns(token.text):
            row, column = row + 1, 0
        starts[number] = (row, column)
        column += columns(token.text.replace("\n", "⏎"))
    for row, line in enumerate(numbers):
        for found in re.finditer(r"\d+", line):
            assert starts[int(found.group())] == (row, found.start())


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_columns_are_counted_as_the_terminal_counts_them_for_common_letters(text: str) -> None:
    assert 0 <= columns(text) <= 2 * len(text)
    common = re.sub(r"[^ -~а-яёА-ЯЁ\u4e00-\u9fff\u0301]", "", text)
    assert columns(common) == get_cwidth(common)


# --- /fork --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["2", "{text}", "{piece}"])
def test_fork_takes_a_number_or_the_text_of_an_alternative(talked: Chat, wanted: str) -> None:
    other = talked.look()[2].alternatives[1]
    answer = commands.run(talked, f"/fork 3 {wanted.format(text=other.text.strip(), piece=other.piece)}", "ru").answer
    assert answer is not None
    assert "".join(answer).startswith(f"Привет,{other.text}")


def test_fork_takes_the_place_where_the_alternatives_are_numbers_themselves(
    talked: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = tuple(Alternative(3 + place, text, text, 0.3) for place, text in enumerate("1786"))
    monkeypatch.setattr(Chat, "look", lambda chat: [Token(3, "1", "1", 0.3, 1.0, digits)])
    forked: list[tuple[int, int]] = []
    monkeypatch.setattr(Chat, "fork", lambda chat, position, token: forked.append((position, token)))
    for wanted in ("1", "2", "4", "8"):
        commands.run(talked, f"/fork 1 {wanted}", "en")
    assert forked == [(0, 3), (0, 4), (0, 6), (0, 5)]  # the eighth is none, so 8 is a text


def test_fork_without_an_alternative_takes_the_likeliest_other_one(talked: Chat) -> None:
    first, second = talked.look()[2].alternatives[:2]
    assert first.text == " друг"
    answer = commands.run(talked, "/fork 3", "ru").answer
    assert answer is not None
    assert "".join(answer).startswith(f"Привет,{second.text}")


def test_fork_to_what_is_no_alternative_takes_nothing_back(talked: Chat) -> None:
    with pytest.raises(NoSuchAlternative, match="медведь"):
        commands.run(talked, "/fork 3 медведь", "en")
    assert talked.conversation.turns[-1].content == minds.ANSWER_TEXT


def test_fork_alone_tells_how(chat: Chat, lang: str) -> None:
    assert lines(chat, "/fork", lang=lang) == language.FORK_HOW(lang).splitlines()


# --- /attract -----------------------------------------------------------------------------------------------------


def test_attract_shows_every_way_and_then_where_they_go(chat: Chat, lang: str) -> None:
    told = lines(chat, "/attract 3 Как дела?", BARE, lang)
    assert told[:3] == [f"{number}/3  {minds.ANSWER_TEXT}" for number in (1, 2, 3)]
    whole = "100 %" if lang == "ru" else "100%"
    assert told[3:] == [
        language.BEGINNINGS(lang), f"{whole:>6}  {'█' * 15} {minds.ANSWER_TEXT}",
        language.ENDINGS(lang), f"{whole:>6}  {'█' * 15} друг!",
    ]  # fmt: skip
    assert not chat.conversation.messages


@pytest.mark.parametrize(("line", "count", "prompt"), [
    ("/attract", 24, "Как дела?"), ("/attract 5", 5, "Как дела?"), ("/attract 5 Дом", 5, "Дом"),
    ("/attract Дом 5", 24, "Дом 5"), ("/attract 2 и 2", 2, "и 2"),
])  # fmt: skip
def test_attract_takes_a_count_and_a_text_each_of_them_only_if_given(
    talked: Chat, monkeypatch: pytest.MonkeyPatch, line: str, count: int, prompt: str
) -> None:
    asked = []
    monkeypatch.setattr(Chat, "attract", lambda chat, prompt, count, cancel: asked.append((count, prompt)) or [])
    lines(talked, line)
    assert asked == [(count, prompt)]


@pytest.mark.parametrize("width", [32, 40, 60, 100])
def test_no_line_of_a_look_or_a_survey_is_wider_than_the_window(chat: Chat, width: int) -> None:
    for shaded in (True, False):
        canvas = Canvas(width, shaded=shaded, aloud=False)
        drawn = lines(chat, "/attract 3 Как дела?", canvas)
        "".join(chat.say("Как дела?"))
        drawn += [*lines(chat, "/look", canvas)[:-2], *lines(chat, "/look 1", canvas)[1:-1]]
        assert max(map(columns, drawn)) < width


def test_what_is_read_aloud_is_not_cut(chat: Chat) -> None:
    chat.attract = lambda prompt, count, cancel: iter([Continuation("слово " * 90, (1,), -1.0, "stop")] * 2)
    told = lines(chat, "/attract 2 Дом")
    assert told[0] == "1/2  " + ("слово " * 90).strip()


def test_attract_needs_something_to_answer_and_a_count_that_can_be_grouped(chat: Chat) -> None:
    with pytest.raises(NothingSaid):
        commands.run(chat, "/attract", "ru")
    for count in ("0", "501"):
        with pytest.raises(BadSetting, match="1…500"):
            commands.run(chat, f"/attract {count} Дом", "ru")
    with pytest.raises(MessageTooLong):
        commands.run(chat, "/attract " + "Дом " * 300, "ru")


def test_what_attract_has_found_when_it_is_stopped_is_shown(babbling: Path, home: Path) -> None:
    chat = Chat.with_mind(open_mind(babbling), home)
    chat.sampling = replace(chat.sampling, max_tokens=3)
    survey = Survey(chat, "Дом", 300, "en", BARE)
    drawn = []
    for line in survey:
        drawn.append(text_of(line))
        if len(drawn) == 4:
            survey.cancel()
    assert [line.partition("/")[0].strip() for line in drawn[:4]] == ["1", "2", "3", "4"]
    assert drawn[4] == language.BEGINNINGS("en")
    stopped = Survey(chat, "Дом", 300, "en", BARE)
    stopped.cancel()
    assert list(stopped) == []


@given(st.text(max_size=60), st.integers(-5, 90))
def test_a_text_is_cut_to_any_width_even_to_one_that_no_window_has(text: str, width: int) -> None:
    cut = shades.one_line(text, width)
    assert columns(cut) <= max(width, 1)
    assert cut == " ".join(printable(text).split()) or cut.endswith("…")


@given(st.text(max_size=60), st.integers(20, 90))
def test_a_group_stands_on_one_line_of_the_window(label: str, width: int) -> None:
    (_, line, rest, *_) = shades.groups([Group("ending", label, 0.5, (0, 1))], 4, Canvas(width, aloud=False), "ru")[1:]
    assert "\n" not in text_of(line)
    assert columns(text_of(rest)) < max(width, 60)


def test_shares_are_as_exact_as_they_deserve() -> None:
    shown = {0.994: "99 %", 0.5: "50 %", 0.0995: "10 %", 0.0342: "3,4 %", 0.01: "1 %", 0.0004: "<0,1 %", 0.0: "<0,1 %"}
    assert {value: shades.share(value, "ru") for value in shown} == shown
    assert shades.share(0.0342, "en") == "3.4%"


def test_pieces_without_text_are_called_by_their_names() -> None:
    assert shades.name(Alternative(3, "", "<|end|>", 0.5)) == "<|end|>"
    assert shades.name(Alternative(3, " дом\n", "▁дом", 0.5)) == "␣дом⏎"
    assert "\x1b" not in shades.name(Alternative(3, "\x1b[2J", "x", 0.5))


# --- /childhood ---------------------------------------------------------------------------------------------------


def test_childhood_tells_the_stages_of_growth(chat: Chat, lang: str) -> None:
    chat.mind = open_mind(minds.ROOT / "assets" / "chekhov.mind")
    told = "\n".join(lines(chat, "/childhood", lang=lang))
    steps = re.findall(r"— (?:шаг|step) (\d+),", told)
    assert steps == ["92", "280", "1240", "2800"]
    assert told.count("Однажды вечером") >= 4
    assert language.number(22_937_600, lang) in told


def test_a_mind_without_a_childhood_says_so(chat: Chat) -> None:
    with pytest.raises(NoChildhood):
        commands.run(chat, "/childhood", "ru")
