"""The mind made visible: a look into the last answer, its other lives, where a beginning leads, childhood."""

from __future__ import annotations

import re
from contextlib import suppress

from page.visits import PHONE
from playwright.sync_api import Error, expect


def looked_into(here) -> list[str]:
    here.act("Разглядеть")
    expect(here.page.locator("#choices")).to_be_visible()
    return here.page.locator(".token").all_text_contents()


def test_every_token_of_the_answer_is_shown_and_coloured_by_its_probability(visit, programs, babbling) -> None:
    here = visit(programs(babbling))
    answer = here.ask("Посмотрим.")
    tokens = looked_into(here)
    assert "".join(tokens).replace("⏎", "") == answer
    words = [label.get_attribute("aria-label") for label in here.page.locator(".token").all()]
    for token, label in zip(here.page.locator(".token").all(), words):
        share = float(re.search(r"([\d,]+) %$", label)[1].replace(",", "."))
        step = next((int(name[1]) for name in token.get_attribute("class").split() if name != "token"), 4)
        assert (0, 1, 10, 30, 60)[step] - 0.5 <= share <= (1, 10, 30, 60, 100)[step] + 0.5
    points = here.page.locator(".curve").get_attribute("points").split()
    assert len(points) == len(tokens)
    assert re.search(r"энтропия.*в среднем \d", here.page.locator(".chart svg").get_attribute("aria-label"))


def test_the_arrows_choose_a_token_and_the_chart_does_too(visit, programs, babbling) -> None:
    here = visit(programs(babbling))
    here.ask("Выберем.")
    looked_into(here)
    expect(here.page.locator("#tokens")).to_be_focused()
    here.page.keyboard.press("ArrowRight")
    here.page.keyboard.press("ArrowRight")
    expect(here.page.locator("#token-2")).to_have_attribute("aria-selected", "true")
    expect(here.page.locator("#tokens")).to_have_attribute("aria-activedescendant", "token-2")
    expect(here.page.locator("#odds button")).to_have_count(8)
    box = here.page.locator(".chart svg").bounding_box()
    here.page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 20)
    last = here.page.locator(".token").count() - 1
    expect(here.page.locator(f"#token-{last}")).to_have_attribute("aria-selected", "true")


def test_a_slow_look_does_not_come_in_the_place_of_a_later_one(visit, programs, babbling) -> None:
    here = visit(programs(babbling))
    here.ask("Медленно.")
    here.page.click("#fresh")
    answer = here.ask("Быстро.")
    here.page.go_back()
    expect(here.page.locator(".turn.user .text")).to_have_text("Медленно.")
    held = here.hold("**/look", "GET")
    here.act("Разглядеть")
    here.until(lambda: held)
    late = held[0].fetch()
    here.page.keyboard.press("Escape")
    here.page.go_forward()
    expect(here.page.locator(".turn.user .text")).to_have_text("Быстро.")
    here.act("Разглядеть")
    here.until(lambda: len(held) == 2)
    held[1].continue_()
    expect(here.page.locator("#choices")).to_be_visible()
    with suppress(Error):  # nobody waits for it any more
        held[0].fulfill(response=late)
    here.page.wait_for_timeout(200)
    assert "".join(here.page.locator(".token").all_text_contents()).replace("⏎", "") == answer


def test_another_token_leads_to_another_life(visit, programs, babbling) -> None:
    here = visit(programs(babbling))
    answer = here.ask("Развилка.")
    tokens = looked_into(here)
    here.page.click("#token-3")
    here.page.keyboard.press("Enter")
    chosen = here.page.locator("#odds button:enabled").first
    word = chosen.locator(".word").text_content()
    expect(chosen).to_be_focused()
    here.page.keyboard.press("Enter")
    expect(here.page.locator("#life-before")).to_have_text(answer)
    expect(here.page.locator("#life-stop")).to_be_hidden()
    expect(here.page.locator("#tokens")).to_be_focused()
    other = here.page.locator("#life-after").text_content()
    assert other.startswith("".join(tokens[:3]).replace("⏎", ""))
    assert other[3:].strip().startswith(word) or word in ("пробел", "⏎")
    assert other != answer
    expect(here.page.locator("#token-3")).to_have_attribute("aria-selected", "true")
    here.page.keyboard.press("Escape")
    assert here.answer() == other
    here.page.reload()
    expect(here.page.locator(".turn.assistant .text")).to_have_text(other)


def test_what_grows_from_a_beginning_is_shown_beside_and_stays_out_of_the_conversation(
    visit, programs, continuing
) -> None:
    program = programs(continuing)
    here = visit(program)
    before = program.files
    here.page.click("#to-ways")
    expect(here.page.locator("#ways-prompt")).to_be_focused()
    here.page.keyboard.type("вода,")
    here.page.fill("#ways-count", "3")
    here.page.click("#ways-go")
    expect(here.page.locator("#ways-groups p").first).to_be_visible()
    assert here.page.locator("#ways-list li").count() == 3
    expect(here.page.locator("#ways-list li .text").first).to_contain_text("вода, река")
    expect(here.page.locator("#ways-state")).to_have_text("3 из 3")
    expect(here.page.locator("#ways-groups p").first).to_contain_text("100 % начинают с")
    assert program.files == before


def test_a_beginning_is_at_hand_which_is_what_was_said_last(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Как дела?")
    here.page.click("#to-ways")
    expect(here.page.locator("#ways-prompt")).to_have_value("Как дела?")


def test_childhood_is_shown_where_the_mind_has_one(visit, programs, grown, chatting) -> None:
    expect(visit(programs(chatting)).page.locator("#to-childhood")).to_be_hidden()
    here = visit(programs(grown), viewport=PHONE)
    here.page.click("#menu")
    here.page.click("#to-childhood")
    expect(here.page.locator("#childhoods .age")).to_have_count(2)
    expect(here.page.locator("#childhoods .age").last).to_contain_text("Однажды вечером река остановилась.")
    assert here.width() == 0


def test_a_mind_that_continues_shows_one_text_and_goes_on(visit, programs, continuing) -> None:
    here = visit(programs(continuing))
    here.say("вода,")
    expect(here.page.locator(".grown")).to_have_text(" река; вода, река; вода,", use_inner_text=False)
    here.answered()
    assert here.page.locator(".turn").count() == 1
    text = here.page.locator(".turn .text").text_content()
    assert text.startswith("вода, река;")
    here.act("Дальше")
    expect(here.page.locator(".grown")).to_have_count(2)
    here.answered()
    assert here.page.locator(".turn").count() == 1
    assert here.page.locator(".turn .text").text_content().startswith(text)
    here.say("и ещё")
    expect(here.page.locator(".turn")).to_have_count(2)
    here.answered()
    assert not here.page.locator("#system-form").is_visible()
