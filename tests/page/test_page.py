"""What a person can do with the page, in a real browser before the real server."""

from __future__ import annotations

import json
import re

import minds
from page.visits import EVIL, PHONE
from playwright.sync_api import expect

# --- talking -----------------------------------------------------------------------------------------------------


def test_a_mind_answers_and_the_conversation_is_in_the_list(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    assert here.ask("Как дела в доме?") == minds.ANSWER_TEXT
    expect(here.page.locator("#talks [aria-current]")).to_contain_text("Как дела в доме?")
    expect(here.page).to_have_title("Как дела в доме? · Проба")
    assert re.search(r"\d токен.*в секунду", here.page.locator(".figures").text_content())
    expect(here.page.locator("#memory")).to_contain_text("из 256")
    expect(here.page.locator("#words")).to_be_focused()


def test_an_example_is_said_by_a_click(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    examples = here.page.locator("#examples button")
    expect(examples).to_have_count(3)
    words = examples.first.text_content()
    examples.first.click()
    here.answered()
    assert here.lines == [words, minds.ANSWER_TEXT]


def test_an_answer_is_stopped_and_what_was_written_stays(visit, programs, endless) -> None:
    program = programs(endless)
    here = visit(program)
    here.say("Считай.")
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два; раз,")
    here.page.keyboard.press("Escape")
    here.answered()
    expect(here.page.locator(".turn.last")).to_contain_text("Остановлено.")
    while rows(program)[-1].get("role") != "assistant":
        here.page.wait_for_timeout(20)
    written = rows(program)[-1]["content"]  # a few letters may have been on their way
    assert 10 < len(written) < 20000
    expect(here.page.locator(".turn.assistant .text")).to_have_text(written)
    here.page.reload()
    expect(here.page.locator(".turn.assistant .text")).to_have_text(written)


def test_a_line_that_is_stopped_before_the_program_has_it_comes_back(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    held = here.hold("**/say")
    here.say("Важные слова.")
    here.until(lambda: held)
    here.page.keyboard.press("Escape")
    expect(here.page.locator("#words")).to_have_value("Важные слова.")
    expect(here.page.locator("#welcome")).to_be_visible()
    here.page.unroute("**/say")
    here.page.keyboard.press("Enter")
    here.answered()
    assert here.lines == ["Важные слова.", minds.ANSWER_TEXT]


def test_a_first_line_is_stopped_before_its_conversation_has_begun(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    held = here.hold("**/api/conversations")
    here.say("Важные слова.")
    here.until(lambda: held)
    here.page.keyboard.press("Escape")
    expect(here.page.locator("#words")).to_have_value("Важные слова.")
    expect(here.page.locator("#welcome")).to_be_visible()


def test_a_line_that_the_program_has_is_not_given_back(visit, programs, chatting) -> None:
    """It is stopped after the program heard it and before the page knows that."""
    here = visit(programs(chatting))
    held = here.hold("**/say")
    here.say("Услышано.")
    here.until(lambda: held)
    held[0].fetch()
    here.page.keyboard.press("Escape")
    expect(here.page.locator(".turn.assistant .text")).to_have_text(minds.ANSWER_TEXT)
    expect(here.page.locator("#words")).to_have_value("")


def test_a_page_writes_no_more_answers_at_once_than_a_browser_has_connections_for(visit, programs, endless) -> None:
    here = visit(programs(endless))
    for number in range(4):
        here.page.click("#fresh")
        expect(here.page.locator("#welcome")).to_be_visible()
        here.say(f"Считай, {number}.")
        expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два;")
    here.page.click("#fresh")
    expect(here.page.locator("#welcome")).to_be_visible()
    here.say("И ещё.")
    expect(here.page.locator("#problem")).to_contain_text("уже четыре ответа")
    expect(here.page.locator("#words")).to_have_value("И ещё.")
    here.page.evaluate("[...writing].forEach((of) => of.stop.abort())")
    here.until(lambda: here.page.evaluate("writing.size === 0"))
    here.page.press("#words", "Enter")
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два;")
    here.page.click("#stop")
    here.answered()


def test_a_line_is_answered_anew_and_the_file_keeps_both_answers(visit, programs, babbling) -> None:
    program = programs(babbling)
    here = visit(program)
    first = here.ask("ещё раз")
    here.act("Заново")
    expect(here.page.locator(".turn.assistant .text")).not_to_have_text(first)
    here.answered()
    assert len(here.lines) == 2
    answers = [row["content"] for row in rows(program) if row.get("role") == "assistant"]
    assert answers == [first, here.answer()]


def rows(program) -> list[dict]:
    return [json.loads(line) for line in program.files[-1].read_text("utf-8").splitlines()]


def test_a_line_is_mended_and_said_again(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Первая.")
    here.ask("Вторая.")
    here.page.locator(".turn.user").first.hover()
    here.page.locator(".turn.user").first.get_by_role("button", name="Исправить").click()
    expect(here.page.locator(".edit textarea")).to_have_value("Первая.")
    here.page.fill(".edit textarea", "Другая.")
    here.page.press(".edit textarea", "Enter")
    expect(here.page.locator(".turn")).to_have_count(2)
    here.answered()
    assert here.lines == ["Другая.", minds.ANSWER_TEXT]


def test_mending_can_be_given_up(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Первая.")
    here.page.press("#words", "ArrowUp")
    expect(here.page.locator(".edit textarea")).to_be_focused()
    here.page.keyboard.press("Escape")
    expect(here.page.locator("#words")).to_be_focused()
    assert here.lines == ["Первая.", minds.ANSWER_TEXT]


def test_the_last_line_is_taken_back(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Останется.")
    here.ask("Уйдёт.")
    here.act("Забыть")
    expect(here.page.locator(".turn")).to_have_count(2)
    here.page.reload()
    expect(here.page.locator(".turn")).to_have_count(2)
    assert here.lines == ["Останется.", minds.ANSWER_TEXT]


def test_a_key_that_is_held_takes_back_one_line(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    for text in ("Раз.", "Два.", "Три."):
        here.ask(text)
    here.page.keyboard.down("Alt")
    for _ in range(4):
        here.page.keyboard.down("KeyU")
    here.page.keyboard.up("KeyU")
    here.page.keyboard.up("Alt")
    expect(here.page.locator(".turn")).to_have_count(4)
    expect(here.page.locator("#memory")).to_have_text("")  # what the conversation takes now is not known
    here.page.evaluate("{ undo(); undo(); }")
    expect(here.page.locator(".turn")).to_have_count(2)
    here.page.reload()
    expect(here.page.locator(".turn .text")).to_have_text(["Раз.", minds.ANSWER_TEXT])


def test_a_line_that_is_being_mended_outlives_a_key(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Первая.")
    here.page.press("#words", "ArrowUp")
    here.page.fill(".edit textarea", "долгая правка")
    for key in ("Alt+KeyR", "Alt+KeyU", "Alt+KeyL"):
        here.page.keyboard.press(key)
    expect(here.page.locator("dialog[open]")).to_have_count(0)
    expect(here.page.locator(".edit textarea")).to_have_value("долгая правка")
    here.page.press(".edit textarea", "Enter")
    expect(here.page.locator(".turn.user .text")).to_have_text("долгая правка")
    here.answered()
    assert len(here.lines) == 2


def test_an_answer_is_copied(visit, programs, chatting) -> None:
    here = visit(programs(chatting), permissions=["clipboard-read", "clipboard-write"])
    here.ask("Скажи.")
    here.act("Копировать")
    expect(here.page.locator("#notice")).to_have_text("Скопировано.")
    assert here.page.evaluate("navigator.clipboard.readText()") == minds.ANSWER_TEXT


# --- conversations -----------------------------------------------------------------------------------------------


def test_a_reload_finds_the_conversation_and_the_draft(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("До перезагрузки.")
    here.page.fill("#words", "недописанное")
    here.page.reload()
    expect(here.page.locator(".turn .text")).to_have_text(["До перезагрузки.", minds.ANSWER_TEXT])
    expect(here.page.locator("#words")).to_have_value("недописанное")


def test_the_browser_keeps_nothing_but_the_token_the_language_the_colours_and_drafts(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Тайна.")
    here.page.fill("#words", "набросок")
    kept = here.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert "Тайна" not in kept
    keys = set(here.page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]"))
    assert {re.sub(":.*", "", key) for key in keys} == {"token", "draft"}
    assert here.program.url.split("=")[1] not in here.page.url


def test_several_conversations_keep_apart(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Про лес.")
    here.page.click("#fresh")
    expect(here.page.locator("#welcome")).to_be_visible()
    here.ask("Про море.")
    here.page.locator("#talks").get_by_text("Про лес.").first.click()
    expect(here.page.locator(".turn.user .text")).to_have_text("Про лес.")
    here.page.go_back()
    expect(here.page.locator(".turn.user .text")).to_have_text("Про море.")


def test_an_answer_is_written_on_while_another_conversation_is_open(visit, programs, endless) -> None:
    here = visit(programs(endless))
    here.say("Считай дальше.")
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два; раз,")
    expect(here.page.locator("#talks [aria-current]")).to_contain_text("Считай дальше.")
    here.page.click("#fresh")
    expect(here.page.locator("#welcome")).to_be_visible()
    here.page.go_back()
    expect(here.page.locator("#stop")).to_be_visible()
    before = len(here.answer())
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два; " * (before // 10 + 3))
    here.page.click("#stop")
    here.answered()


def test_a_conversation_that_nobody_spoke_in_yet_is_begun_anew_where_the_program_has_forgotten_it(
    visit, programs, chatting
) -> None:
    here = visit(programs(chatting))
    here.expected = ["status of 40[04]"]
    here.say("слишком длинно " * 100)
    expect(here.page.locator("#trouble")).to_contain_text("Сократи")
    for _ in range(16):
        here.page.evaluate("call('POST', '/api/conversations', {})")
    assert here.ask("Коротко.") == minds.ANSWER_TEXT
    here.page.reload()
    expect(here.page.locator(".turn.user .text")).to_have_text("Коротко.")


def test_a_conversation_that_another_program_goes_on_with_goes_on_under_a_name_of_its_own(
    visit, programs, endless
) -> None:
    program = programs(endless)
    here = visit(program)
    here.page.evaluate("sampling = { max_tokens: 3000 }")
    here.say("Считай.")
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два;")
    (theirs,) = [path for path in program.files if path.stem in here.page.url]
    with theirs.open("a", encoding="utf-8") as file:
        file.write('{"role": "assistant", "content": "Другая программа"}\n')
    expect(here.page.locator("#problem")).to_contain_text("продолжила другая программа")
    assert theirs.stem not in here.page.url
    written = here.answer()
    here.page.reload()
    expect(here.page.locator(".turn.assistant .text")).to_have_text(written)


def test_going_back_closes_what_is_about_the_conversation_that_is_left(visit, programs, babbling) -> None:
    here = visit(programs(babbling))
    here.ask("Про лес.")
    here.page.click("#fresh")
    here.ask("Про море.")
    here.page.click("#to-settings")
    here.page.fill("#system", "Говори о море.")
    here.page.go_back()
    expect(here.page.locator(".turn.user .text")).to_have_text("Про лес.")
    expect(here.page.locator("dialog[open]")).to_have_count(0)
    here.page.go_forward()
    expect(here.page.locator(".turn.user .text")).to_have_text("Про море.")
    here.act("Разглядеть")
    expect(here.page.locator("#choices")).to_be_visible()
    here.page.go_back()
    expect(here.page.locator(".turn.user .text")).to_have_text("Про лес.")
    expect(here.page.locator("dialog[open]")).to_have_count(0)


def test_a_conversation_is_put_away_and_its_file_is_kept(visit, programs, babbling) -> None:
    program = programs(babbling)
    here = visit(program)
    here.ask("Лишнее.")
    path = program.files[-1]
    row = here.page.locator("#talks li", has_text="Лишнее.")
    row.hover()
    row.get_by_role("button", name="Убрать").click()
    here.page.click("#remove-yes")
    expect(here.page.locator("#talks li", has_text="Лишнее.")).to_have_count(0)
    expect(here.page.locator("#welcome")).to_be_visible()
    assert not path.exists()
    assert (path.parent / "deleted" / path.name).exists()


def test_two_tabs_at_once(visit, programs, endless) -> None:
    one = visit(programs(endless))
    two = visit(programs(endless), beside=one)
    one.say("Первая вкладка.")
    two.say("Вторая вкладка.")
    for tab in (one, two):
        expect(tab.page.locator(".turn.assistant .text")).to_contain_text("раз, два; раз,")
    for tab in (one, two):
        tab.page.click("#stop")
        tab.answered()
    expect(one.page.locator("#talks")).to_contain_text("Вторая вкладка.")
    one.page.locator("#talks").get_by_text("Вторая вкладка.").click()
    expect(one.page.locator(".turn.user .text")).to_have_text("Вторая вкладка.")
    two.act("Забыть")
    expect(one.page.locator(".turn")).to_have_count(0)


# --- words are text ----------------------------------------------------------------------------------------------


def test_words_of_minds_and_people_are_text_wherever_they_stand(visit, programs, evil) -> None:
    here = visit(programs(evil), viewport=PHONE)
    said = f"{EVIL} <b>шаг</b>"
    answer = here.ask(said)
    assert answer.startswith(EVIL)
    assert here.lines[0] == said
    here.page.click("#menu")
    expect(here.page.locator("#talks [aria-current] span").first).to_have_text(said)
    here.page.keyboard.press("Escape")
    here.act("Разглядеть")
    expect(here.page.locator(".token").first).to_contain_text("<img")
    assert here.page.locator("img, #turns b, #talks b").count() == 0
    assert here.page.title() == f"{said} · Проба"
    assert here.width() == 0


# --- the line where the person writes ----------------------------------------------------------------------------


def test_the_line_grows_with_its_words_and_shift_enter_does_not_send(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    low = here.page.locator("#words").bounding_box()["height"]
    here.page.keyboard.type("раз")
    for _ in range(3):
        here.page.keyboard.press("Shift+Enter")
    here.page.keyboard.type("два")
    assert here.page.locator("#words").bounding_box()["height"] > 2 * low
    here.page.keyboard.press("Enter")
    here.answered()
    assert here.lines[0] == "раз\n\n\nдва"
    assert here.page.locator("#words").bounding_box()["height"] == low


def test_words_typed_while_the_page_still_opens_stay(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    held = here.hold("**/api/state", "GET")
    here.page.reload()
    expect(here.page.locator("#words")).to_be_focused()
    here.page.keyboard.type("рано")
    held[0].continue_()
    expect(here.page.locator("#greeting")).to_have_text(minds.GREETING)
    here.page.keyboard.type(" встал")
    expect(here.page.locator("#words")).to_have_value("рано встал")


def test_a_word_that_an_input_method_composes_is_not_sent(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.page.fill("#words", "中")
    composing = "{key: 'Enter', isComposing: true, bubbles: true}"
    here.page.evaluate(f"$('words').dispatchEvent(new KeyboardEvent('keydown', {composing}))")
    here.page.wait_for_timeout(100)
    expect(here.page.locator("#words")).to_have_value("中")
    expect(here.page.locator("#welcome")).to_be_visible()


def test_on_a_phone_enter_is_a_new_line(visit, programs, chatting) -> None:
    here = visit(programs(chatting), viewport=PHONE, has_touch=True, is_mobile=True)
    here.page.fill("#words", "раз")
    here.page.press("#words", "Enter")
    expect(here.page.locator("#words")).to_have_value("раз\n")
    here.page.tap("#send")
    here.answered()
    assert here.answer() == minds.ANSWER_TEXT


def test_what_the_mind_cannot_hold_comes_back_into_the_line_with_the_reason(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.expected = ["status of 400"]
    here.say("слишком длинно " * 100)
    expect(here.page.locator("#trouble")).to_contain_text("Сократи")
    expect(here.page.locator("#words")).to_have_value("слишком длинно " * 100)
    expect(here.page.locator("#welcome")).to_be_visible()


def test_a_mended_line_that_the_mind_cannot_hold_stays_open_to_be_mended(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.expected = ["status of 400"]
    here.ask("Первая.")
    here.page.press("#words", "ArrowUp")
    here.page.fill(".edit textarea", "слишком длинно " * 100)
    here.page.press(".edit textarea", "Enter")
    expect(here.page.locator("#trouble")).to_contain_text("Сократи")
    expect(here.page.locator(".edit textarea")).to_have_value("слишком длинно " * 100)
    here.page.press(".edit textarea", "Escape")
    assert here.lines == ["Первая.", minds.ANSWER_TEXT]


def test_a_refused_line_is_found_again_in_the_conversation_it_was_meant_for(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.expected = ["status of 400"]
    here.ask("Первая.")
    held = here.hold("**/say")
    here.say("слишком длинно " * 100)
    here.until(lambda: held)
    here.page.click("#fresh")
    here.page.fill("#words", "другое")
    held[0].continue_()
    expect(here.page.locator("#trouble")).to_contain_text("Сократи")
    expect(here.page.locator("#words")).to_have_value("другое")
    here.page.locator("#talks").get_by_text("Первая.").first.click()
    expect(here.page.locator("#words")).to_have_value("слишком длинно " * 100)


# --- settings ----------------------------------------------------------------------------------------------------


def test_settings_go_with_the_next_answer_and_impossible_ones_do_not(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.page.click("#to-settings")
    here.page.fill("#dial-temperature", "1.5")
    here.page.fill("#dial-seed", "7")
    for impossible in ("3", "0"):
        here.page.fill("#dial-top_p", impossible)
        expect(here.page.locator("#dial-top_p-wrong")).to_have_text("Подойдёт от 0,01 до 1.")
    here.page.keyboard.press("Escape")
    here.ask("С настройками.")
    sent = [request.post_data_json["sampling"] for request in here.requests if request.url.endswith("/say")]
    assert sent == [{"temperature": 1.5, "seed": 7}]
    here.page.click("#to-settings")
    here.page.click("#defaults")
    here.page.keyboard.press("Escape")
    here.ask("Без настроек.")
    assert [r.post_data_json["sampling"] for r in here.requests if r.url.endswith("/say")][-1] == {}


def test_a_system_text_is_kept_with_the_conversation(visit, programs, chatting) -> None:
    program = programs(chatting)
    here = visit(program)
    here.ask("Сначала.")
    here.page.click("#to-settings")
    expect(here.page.locator("#system")).to_have_value("Ты добрый.")
    here.page.fill("#system", "Ты строгий.")
    here.page.get_by_role("button", name="Сохранить", exact=True).click()
    expect(here.page.locator("#notice")).to_have_text("Сохранено.")
    assert {"role": "system", "content": "Ты строгий."}.items() <= rows(program)[-1].items()


def test_every_phrase_of_the_page_is_in_both_languages(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    phrases = here.page.evaluate("WORDS")
    for key, (russian, english) in phrases.items():
        assert re.findall(r"\{\w+\}", russian) == re.findall(r"\{\w+\}", english) or key in ("setOut", "comeTo"), key
        assert not re.search("[а-яё]", english, re.IGNORECASE), key
        assert key in ("asMarkdown", "version") or re.search("[а-яё]", russian, re.IGNORECASE), key
    text = (minds.ROOT / "chat_app" / "page.html").read_text("utf-8")
    said = re.findall(r"""(?:\bsay\(|\bremark\(|\badd\('\w+', )'(\w+)'|data-(?:t|label|hint)="(\w+)\"""", text)
    assert len(said) > 80
    assert {script or html for script, html in said} <= phrases.keys()


def test_the_language_is_changed_by_hand_and_stays(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Привет.")
    here.page.click("#to-settings")
    here.page.select_option("#language", "en")
    expect(here.page.locator("#settings-title")).to_have_text("Settings")
    here.page.keyboard.press("Escape")
    here.page.reload()
    expect(here.page.locator("html")).to_have_attribute("lang", "en")
    expect(here.page.locator(".turn.last .actions")).to_contain_text("Look closer")
    strange = here.page.evaluate(
        "[...document.querySelectorAll('button, label, h2, h3, p, dt, [aria-label], [title]')].filter(e =>"
        " !e.closest('#turns .text, #turns h2, #talks, #who, #welcome, dialog p.text'))"
        ".flatMap(e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data)"
        ".concat(e.getAttribute('aria-label') ?? '', e.title ?? '')).filter(t => /[а-яё]/i.test(t))"
    )
    assert strange == []


def test_colours_follow_the_system_and_then_the_hand(visit, programs, chatting) -> None:
    here = visit(programs(chatting), color_scheme="dark")

    def ground() -> int:
        return sum(map(int, re.findall(r"\d+", here.page.evaluate("getComputedStyle(document.body).backgroundColor"))))

    assert ground() < 150
    here.page.emulate_media(color_scheme="light")
    assert ground() > 600
    here.page.click("#to-settings")
    here.page.select_option("#theme", "dark")
    assert ground() < 150
    here.page.reload()
    assert ground() < 150
    here.page.emulate_media(color_scheme="dark")
    here.page.click("#to-settings")
    here.page.select_option("#theme", "light")
    assert ground() > 600


def test_another_mind_begins_a_new_conversation_and_the_old_one_stays(visit, two_minds) -> None:
    here = visit(two_minds)
    here.ask("Сначала с одним.")
    here.page.click("#who")
    expect(here.page.locator("#minds [aria-current]")).to_contain_text("Первый")
    here.page.locator("#minds").get_by_role("button", name="Второй").click()
    expect(here.page.locator("#notice")).to_have_text("Теперь здесь Второй.")
    expect(here.page.locator("#welcome h2")).to_have_text("Второй")
    here.ask("Теперь с другим.")
    here.page.locator("#talks").get_by_text("Сначала с одним.").click()
    expect(here.page.locator(".turn")).to_have_count(2)


def test_another_tab_learns_that_the_mind_has_changed(visit, two_minds) -> None:
    one = visit(two_minds)
    two = visit(two_minds, beside=one)
    two.page.evaluate("sampling = { temperature: 1.5 }")
    one.page.click("#who")
    one.page.locator("#minds").get_by_role("button", name="Второй").click()
    expect(two.page.locator("#name")).to_have_text("Второй")
    assert two.page.evaluate("sampling") == {}


def test_another_voice_of_the_mind_speaks_with_its_own_settings(visit, programs, voiced) -> None:
    here = visit(programs(voiced))
    here.page.click("#who")
    expect(here.page.locator("#modes [aria-current]")).to_contain_text("обычный")
    here.page.locator("#modes").get_by_role("button", name="artistic").click()
    expect(here.page.locator("#name")).to_have_text("Проба · artistic")
    here.ask("Скажи.")
    assert rows(here.program)[-1]["mode"] == "artistic"
    here.page.click("#to-settings")
    expect(here.page.locator("#dial-temperature")).to_have_value("1.3")
