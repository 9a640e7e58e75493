"""What the page owes to everyone: keyboards, screen readers, small windows, stillness; and that it is what it says."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import minds
import pytest
from axe_playwright_python.sync_playwright import Axe
from page.visits import PHONE
from playwright.sync_api import expect

from chat_app.chat import Chat
from chat_app.mind import open_mind
from chat_app.web.server import Web

PAGE = (minds.ROOT / "chat_app" / "page.html").read_text("utf-8")


# --- the file ----------------------------------------------------------------------------------------------------


def test_the_page_is_one_small_file_without_an_outside_address() -> None:
    assert len(PAGE.encode()) <= 120_000
    assert set(re.findall(r"https?://[^\s'\"`)]+", PAGE)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", PAGE)
    assert not re.findall(r"@import|url\(", PAGE)


def test_the_page_has_one_script_and_one_style_and_nothing_else_that_a_policy_would_refuse() -> None:
    assert [len(re.findall(f"<{kind}[ >]", PAGE)) for kind in ("script", "style", "iframe", "object")] == [1, 1, 0, 0]
    assert not re.search(r"<[^>]+\s(?:on\w+|style)=", re.sub(r"<script>.*</script>", "", PAGE, flags=re.DOTALL))
    for way_in in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "setAttribute('style'"):
        assert way_in not in PAGE


# --- access ------------------------------------------------------------------------------------------------------


def violations(here) -> list[str]:
    found = Axe().run(here.page).response["violations"]
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_the_conversation_and_in_every_dialog(visit, programs, babbling, colours) -> None:
    here = visit(programs(babbling), color_scheme=colours, reduced_motion="reduce")
    assert violations(here) == []
    here.ask("Проверка.")
    here.ask("И ещё одна.")
    assert violations(here) == []
    for opener in ("#to-settings", "#to-help", "#to-ways", "#who", "#to-export"):
        here.page.click(opener)
        expect(here.page.locator("dialog[open]")).to_be_visible()
        assert violations(here) == [], opener
        here.page.keyboard.press("Escape")
    here.act("Разглядеть")
    expect(here.page.locator("#choices")).to_be_visible()
    assert violations(here) == []


def test_axe_finds_nothing_on_a_phone(visit, programs, babbling) -> None:
    here = visit(programs(babbling), viewport=PHONE, color_scheme="dark", reduced_motion="reduce")
    here.ask("Проверка.")
    assert violations(here) == []
    here.page.click("#menu")
    expect(here.page.locator("#fresh")).to_be_focused()
    assert violations(here) == []


def test_the_keyboard_alone_is_enough(visit, programs, babbling) -> None:
    here = visit(programs(babbling))
    keyboard = here.page.keyboard
    keyboard.type("Без мыши.")
    keyboard.press("Enter")
    here.answered()
    first = here.answer()
    keyboard.press("Alt+KeyR")
    expect(here.page.locator(".turn.assistant .text")).not_to_have_text(first)
    here.answered()
    keyboard.press("Alt+KeyL")
    expect(here.page.locator("#tokens")).to_be_focused()
    keyboard.press("Escape")
    keyboard.press("Alt+KeyS")
    expect(here.page.locator("#settings")).to_be_visible()
    keyboard.press("Escape")
    keyboard.press("Alt+Slash")
    expect(here.page.locator("#keys kbd")).to_have_count(11)
    keyboard.press("Escape")
    expect(here.page.locator("#words")).to_be_focused()
    keyboard.press("ArrowUp")
    expect(here.page.locator(".edit textarea")).to_be_focused()
    keyboard.press("Escape")
    keyboard.press("Alt+KeyN")
    expect(here.page.locator("#welcome")).to_be_visible()
    keyboard.press("Alt+KeyK")
    expect(here.page.locator("#talks .open").first).to_be_focused()
    keyboard.press("Enter")
    expect(here.page.locator(".turn.user .text")).to_have_text("Без мыши.")
    keyboard.press("Alt+KeyU")
    expect(here.page.locator(".turn")).to_have_count(0)


def test_the_button_that_sends_gives_the_focus_back_to_the_words(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.page.fill("#words", "Кнопкой.")
    here.page.focus("#send")
    here.page.keyboard.press("Enter")
    expect(here.page.locator("#words")).to_be_focused()
    here.answered()
    expect(here.page.locator("#words")).to_be_focused()


def test_a_page_without_a_key_can_be_read_in_another_language(visit, programs, chatting) -> None:
    program = programs(chatting)
    here = visit(program)
    here.expected = ["status of 401"]
    here.page.evaluate("sessionStorage.clear()")
    here.page.goto(program.url.partition("#")[0])
    here.page.reload()
    expect(here.page.locator("#problem")).to_be_visible()
    expect(here.page.locator("#who")).to_be_disabled()
    here.page.click("#to-settings")
    here.page.select_option("#language", "en")
    here.page.keyboard.press("Escape")
    expect(here.page.locator("#fresh")).to_contain_text("New conversation")


def test_the_tab_key_reaches_everything_and_shows_where_it_is(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Обойдём.")
    reached: list[str] = []
    while "words" not in reached:
        here.page.keyboard.press("Tab")
        name, shown = here.page.evaluate(
            "() => { const e = document.activeElement, style = getComputedStyle(e.id === 'words' ? e.form : e);"
            " return [e.id || e.getAttribute('aria-label') || e.textContent,"
            " e === document.body || style.outlineStyle !== 'none' || style.boxShadow !== 'none']; }"
        )
        assert shown, f"{name} does not show that it is focused"
        reached.append(name)
        assert len(reached) < 200
    assert {"fresh", "to-ways", "to-settings", "to-help", "who", "to-export", "thread", "words"} <= set(reached)
    assert {"Исправить", "Заново", "Разглядеть", "Копировать", "Забыть"} <= set(reached)


def test_focus_comes_back_from_a_dialog(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    for opener in ("#to-settings", "#who"):
        here.page.focus(opener)
        here.page.keyboard.press("Enter")
        expect(here.page.locator("dialog[open]")).to_be_visible()
        assert here.page.evaluate("document.activeElement.closest('dialog') !== null")
        here.page.keyboard.press("Escape")
        expect(here.page.locator(opener)).to_be_focused()


def test_screen_readers_hear_an_answer_once_when_it_is_finished(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.page.evaluate(
        "() => { window.heard = []; const said = $('said');"
        " new MutationObserver(() => { if (said.textContent) heard.push(said.textContent); })"
        ".observe(said, {childList: true, characterData: true, subtree: true}); }"
    )
    here.ask("Вслух.")
    expect(here.page.locator("#said")).to_have_text(minds.ANSWER_TEXT)
    assert here.page.evaluate("heard") == [minds.ANSWER_TEXT]
    assert here.page.locator("#turns").evaluate("e => e.closest('[aria-live], [role=log], [role=status]')") is None


# --- small windows, stillness ------------------------------------------------------------------------------------


def test_nothing_scrolls_sideways_at_320(visit, programs, babbling) -> None:
    here = visit(programs(babbling), viewport=PHONE)
    assert here.width() == 0
    here.ask("слово" * 30)
    assert here.width() == 0
    assert here.page.evaluate("document.documentElement.scrollWidth") == 320
    for opener in ("#who", "#to-export"):
        here.page.click(opener)
        assert here.width() == 0, opener
        here.page.keyboard.press("Escape")
    for opener in ("#to-settings", "#to-help", "#to-ways"):
        here.page.click("#menu")
        here.page.click(opener)
        assert here.width() == 0, opener
        here.page.keyboard.press("Escape")
        expect(here.page.locator("#menu")).to_be_focused()
    here.act("Разглядеть")
    expect(here.page.locator("#choices")).to_be_visible()
    assert here.width() == 0


def test_the_list_of_a_small_window_closes_by_escape_and_gives_focus_back(visit, programs, chatting) -> None:
    here = visit(programs(chatting), viewport=PHONE)
    expect(here.page.locator("#side")).to_be_hidden()
    here.page.click("#menu")
    expect(here.page.locator("#fresh")).to_be_focused()
    here.page.keyboard.press("Escape")
    expect(here.page.locator("#side")).to_be_hidden()
    expect(here.page.locator("#menu")).to_be_focused()


def test_nothing_moves_for_those_who_ask_for_stillness(visit, programs, endless) -> None:
    here = visit(programs(endless), reduced_motion="reduce", viewport=PHONE)
    assert here.page.evaluate("getComputedStyle($('side')).transitionDuration") == "0s"
    moving = "(() => { const e = make('span', {className: 'thinking'}, make('i')); $('turns').append(e); return"
    assert here.page.evaluate(moving + " getComputedStyle(e.firstChild).animationName })()") == "none"


# --- export ------------------------------------------------------------------------------------------------------


def exported(here, kind: str) -> tuple[str, str]:
    here.page.click("#to-export")
    with here.page.expect_download() as download:
        here.page.click(f"[data-as={kind}]")
    path = download.value.path()
    return download.value.suggested_filename, path.read_text("utf-8")


def test_a_conversation_is_exported_as_text_markdown_and_json(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("*Раз*\nдва <b>")
    assert exported(here, "txt") == ("Раз.txt", f"Ты: *Раз*\nдва <b>\n\nПроба: {minds.ANSWER_TEXT}\n")
    name, markdown = exported(here, "md")
    assert name == "Раз.md"
    assert markdown == f"# \\*Раз\\*\n\n**Ты:** \\*Раз\\*  \nдва \\<b\\>\n\n**Проба:** {minds.ANSWER_TEXT}\n"
    saved = json.loads(exported(here, "json")[1])
    assert [message["role"] for message in saved["messages"]] == ["user", "assistant"]
    assert saved["messages"][1]["content"] == minds.ANSWER_TEXT
    assert saved["mind"]["title"] == "Проба"


# --- the connection ----------------------------------------------------------------------------------------------


def test_a_killed_program_is_told_what_was_written_stays_and_it_is_found_again(visit, mortal) -> None:
    here = visit(mortal)
    here.expected = ["ERR_"]
    here.say("Считай, пока жив.")
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два; раз,")
    mortal.kill()
    expect(here.page.locator("#problem")).to_contain_text("Связь с программой пропала")
    written = here.answer()
    assert written.startswith("раз, два;")
    expect(here.page.locator(".broken")).to_contain_text("оборвался")
    mortal.start("the-same-token")
    expect(here.page.locator("#trouble")).to_be_hidden()
    assert here.lines == ["Считай, пока жив.", written]
    here.act("Заново")
    expect(here.page.locator(".broken")).to_have_count(0)
    here.page.click("#stop")
    here.answered()
    assert len(here.lines) == 2


def test_a_page_of_an_earlier_start_says_so_and_keeps_what_was_written(visit, mortal) -> None:
    here = visit(mortal)
    here.expected = ["ERR_", "status of 401"]
    here.say("Считай.")
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два;")
    mortal.kill()
    mortal.start("another-token")
    expect(here.page.locator("#problem")).to_contain_text("осталась от прежнего запуска")
    assert here.answer().startswith("раз, два;")
    expect(here.page.locator("#send")).to_be_disabled()
    here.page.goto(mortal.url)  # the address of the new start, in the same tab
    expect(here.page.locator("#trouble")).to_be_hidden()
    assert "another-token" not in here.page.url
    here.ask("Снова.")


def test_the_address_that_a_browser_is_started_with_opens_the_page_once(visit, chatting, tmp_path) -> None:
    web = Web(Chat.with_mind(open_mind(chatting), tmp_path), "ru")
    try:
        here = visit(SimpleNamespace(url=web.url_for_browser()))
        assert "ticket" not in here.page.url
        here.ask("По билету.")
        here.page.reload()
        expect(here.page.locator(".turn")).to_have_count(2)
        other = here.page.context.new_page()  # of someone who read the list of processes
        other.goto(here.program.url)
        expect(other.locator("#problem")).to_contain_text("осталась от прежнего запуска")
    finally:
        web.stop()


def test_a_line_that_is_being_mended_outlives_the_program(visit, mortal) -> None:
    here = visit(mortal)
    here.expected = ["ERR_", "status of 401"]
    here.page.evaluate("sampling = { max_tokens: 5 }")
    here.ask("Считай.")
    here.page.press("#words", "ArrowUp")
    here.page.fill(".edit textarea", "долгая правка")
    mortal.kill()
    here.page.evaluate("refresh()")
    expect(here.page.locator("#problem")).to_contain_text("Связь с программой пропала")
    mortal.start("the-same-token")
    expect(here.page.locator("#trouble")).to_be_hidden()
    expect(here.page.locator(".edit textarea")).to_have_value("долгая правка")
    mortal.kill()
    mortal.start("another-token")
    here.page.evaluate("refresh()")
    expect(here.page.locator("#problem")).to_contain_text("осталась от прежнего запуска")
    expect(here.page.locator(".edit textarea")).to_have_value("долгая правка")


def test_what_the_program_reports_while_it_answers_is_no_lost_connection(visit, programs, chatting) -> None:
    here = visit(programs(chatting))
    here.ask("Раз.")
    events = 'data: {"piece": "При"}\n\ndata: {"error": {"message": "Программа сломалась: KeyError."}}\n\n'
    here.page.route("**/retry", lambda route: route.fulfill(content_type="text/event-stream", body=events))
    here.act("Заново")
    expect(here.page.locator("#problem")).to_have_text("Программа сломалась: KeyError.")
    expect(here.page.locator(".broken")).to_have_count(0)
    assert here.lines == ["Раз.", minds.ANSWER_TEXT]


def test_words_said_to_a_program_that_is_gone_are_not_lost(visit, mortal) -> None:
    here = visit(mortal)
    here.expected = ["ERR_"]
    mortal.kill()
    here.say("Слышишь?")
    expect(here.page.locator("#trouble")).to_be_visible()
    expect(here.page.locator("#words")).to_have_value("Слышишь?")
    mortal.start("the-same-token")
    expect(here.page.locator("#trouble")).to_be_hidden()
    here.page.focus("#words")
    here.page.keyboard.press("Enter")
    expect(here.page.locator(".turn.assistant .text")).to_contain_text("раз, два;")
    here.page.click("#stop")
    here.answered()


def test_a_page_without_a_token_says_how_to_open_it(browser, programs, chatting) -> None:
    page = browser.new_page(locale="ru-RU")
    page.goto(programs(chatting).url.split("#")[0])
    expect(page.locator("#problem")).to_contain_text("В этом адресе нет ключа")
    page.close()
