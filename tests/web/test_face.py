"""The program in a browser: how it opens, what it says, what it lets in and out, how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import minds
import pytest
import segno

from chat_app import console, places
from chat_app.__main__ import main
from chat_app.chat import Chat
from chat_app.errors import NoNetwork, PortTaken
from chat_app.mind import open_mind
from chat_app.web import face, server
from chat_app.web.server import LOOPBACK, Web

ADDRESS = re.compile(r"http://([\d.]+):(\d+)/#(token|ticket)=([\w-]+)")
LONGEST = 20  # seconds
HELLO = minds.ANSWER_TEXT
WATCH = """
import os, sys
def watch(event, arguments):
    if event == "webbrowser.open" and "BROWSER" not in os.environ:
        raise OSError("there is no browser")  # Windows always has one
    if event.startswith("socket."):
        told = [getattr(each, "name", each) for each in arguments if isinstance(each, (int, str, bytes, tuple))]
        with open(os.environ["WATCHED"], "a") as file:
            print(event, *told, file=file)
sys.addaudithook(watch)
"""
BROWSER = """
import os, sys
asked, url = sys.argv[1:]
with open(asked + ".part", "w", encoding="utf-8") as file:
    file.write(url)
os.replace(asked + ".part", asked)
"""
GROUP: dict[str, int] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {}
desktop = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="a double-click opens a terminal there")


@pytest.fixture
def environment(home: Path, tmp_path: Path) -> dict[str, str]:
    """Of a program whose every socket is written down."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    return {
        "PATH": os.environ.get("PATH", ""), "LANG": "en_GB.UTF-8", "TERM": "dumb", places.VARIABLE: str(home),
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path / "watch"),
        "WATCHED": str(tmp_path / "sockets"),
        "SYSTEMROOT": os.environ.get("SYSTEMROOT", ""),  # without it Windows has no sockets
    }  # fmt: skip


@pytest.fixture
def browser(tmp_path: Path, environment: dict[str, str]) -> Path:
    """The file into which a browser writes the address that it was given."""
    script, asked = tmp_path / "browser.py", tmp_path / "asked"
    script.write_text(BROWSER, "utf-8")
    command = [Path(sys.executable).as_posix(), script.as_posix(), asked.as_posix()]  # a shell's \\ would vanish
    environment["BROWSER"] = shlex.join([*command, "%s"])
    return asked


def sockets(tmp_path: Path) -> list[str]:
    """What the program did with sockets, the pipes within it left out: AF_UNIX is no network."""
    file = tmp_path / "sockets"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [line for line in lines if not line.startswith("socket.__new__ AF_UNIX")]


@contextmanager
def program(mind: Path, *options: str, environment: dict[str, str], **streams: Any) -> Iterator[subprocess.Popen[str]]:
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **GROUP, **streams}
    command = [sys.executable, "-m", "chat_app", str(mind), *options]
    with subprocess.Popen(command, env=environment, cwd=minds.ROOT, encoding="utf-8", **streams) as running:
        try:
            yield running
        finally:
            running.kill()


def interrupt(running: subprocess.Popen[str]) -> None:
    """Press Ctrl-C, or Ctrl-Break on Windows, where only that reaches a group and nobody beside it."""
    if sys.platform != "win32":
        running.send_signal(signal.SIGINT)
    elif console._kernel32().GetConsoleCP():
        running.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        pytest.skip("there is no console to press Ctrl-Break in")


def said(running: subprocess.Popen[str], words: str) -> str:
    """What it prints, up to and with a line that has these words."""
    lines = []
    assert running.stdout is not None
    for line in running.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"{words!r} was not said:\n{''.join(lines)}")


def ask(address: tuple[str, str, str], method: str, path: str, value: Any = None) -> bytes:
    host, port, token = address
    connection = http.client.HTTPConnection(host, int(port), timeout=LONGEST)
    connection.request(method, path, json.dumps(value), {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse().read()
    connection.close()
    return answer


def talked(address: tuple[str, str, str]) -> str:
    """The events of an answer to a line in a new conversation."""
    name = json.loads(ask(address, "POST", "/api/conversations", {}))["id"]
    return ask(address, "POST", f"/api/conversations/{name}/say", {"text": "Привет"}).decode()


def address_in(text: str) -> tuple[str, str, str]:
    found = ADDRESS.search(text)
    assert found, text
    host, port, kind, key = found.groups()
    if kind == "ticket":
        key = json.loads(ask((host, port, key), "POST", "/api/token"))["token"]
    return host, port, key


def test_without_a_browser_the_address_is_told(chatting: Path, environment: dict[str, str], tmp_path: Path) -> None:
    with program(chatting, "--web", environment=environment) as running:
        text = said(running, "Ctrl-C")
        assert "No browser opened. Open this address in one: http://127.0.0.1:" in text
        assert "/v1, key " in text
        assert '"piece":"Привет"' in talked(address_in(text))
        interrupt(running)
        rest, errors = running.communicate(timeout=LONGEST)
    assert running.returncode == 0, errors
    assert rest == "Goodbye.\n"
    assert errors == ""
    used = sockets(tmp_path)
    assert any(line.startswith("socket.bind") for line in used)
    assert all(LOOPBACK in line for line in used if not line.startswith("socket.__new__")), used  # and nobody else


def test_a_key_of_the_environment_opens_the_api(chatting: Path, environment: dict[str, str]) -> None:
    with program(
        chatting, "--web", environment=environment | {"MIND_IN_A_BOX_API_KEY": "ключик".encode().hex()}
    ) as running:
        text = said(running, "Ctrl-C")
        host, port, _ = address_in(text)
        key = "ключик".encode().hex()
        assert f"key {key}" in text
        assert json.loads(ask((host, port, key), "GET", "/v1/models"))["object"] == "list"
        interrupt(running)
        running.communicate(timeout=LONGEST)


def test_the_browser_opens_with_a_ticket_where_no_server_and_no_list_of_processes_gives_the_token_away(
    chatting: Path, environment: dict[str, str], browser: Path
) -> None:
    with program(chatting, "--web", "--lang", "ru", environment=environment) as running:
        text = said(running, "Ctrl-C")
        assert "Страница открыта в браузере" in text
        opened = browser.read_text("utf-8")
        assert "#ticket=" in opened
        assert address_in(text)[2] not in opened
        assert address_in(opened) == address_in(text)
        assert '"piece":"Привет"' in talked(address_in(text))


@desktop
def test_a_desktop_without_a_terminal_gets_the_page(
    chatting: Path, environment: dict[str, str], browser: Path, tmp_path: Path
) -> None:
    environment["DISPLAY"] = ":0"
    with (tmp_path / "session-log").open("w") as log, program(chatting, environment=environment, stdout=log) as running:
        ends = time.monotonic() + LONGEST
        while not browser.exists():
            assert time.monotonic() < ends
            time.sleep(0.02)
        assert '"piece":"Привет"' in talked(address_in(browser.read_text("utf-8")))
        running.terminate()  # the end of the session
        assert running.wait(LONGEST) == 0


def test_a_pipe_is_no_desktop(chatting: Path, environment: dict[str, str], tmp_path: Path) -> None:
    environment["DISPLAY"] = ":0"
    with program(chatting, environment=environment) as running:  # nothing in, a pipe out
        assert running.communicate(timeout=LONGEST) == ("", "")
    assert running.returncode == 0
    assert sockets(tmp_path) == []


@desktop
def test_a_terminal_is_not_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(console, "is_terminal", lambda stream: True)
    with Path(os.devnull).open() as nothing, Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdin", nothing)
        monkeypatch.setattr(sys, "stdout", nowhere)
        assert not console.is_absent()
        monkeypatch.setattr(console, "is_terminal", lambda stream: False)
        assert console.is_absent()
        monkeypatch.delenv("DISPLAY")
        assert not console.is_absent()


def test_a_page_that_everyone_forgot_ends(chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "_FORGOTTEN", 0.2)
    monkeypatch.setattr(face, "_POLL", 0.02)
    monkeypatch.setattr(face, "open_browser", lambda url: True)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert face.run(Chat.with_mind(open_mind(chatting), tmp_path), "en", seen=False) == 0
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("lang", "words"), [("en", "cannot be opened at 127.0.0.1:"), ("ru", "Страницу не")])
def test_a_port_that_is_taken_is_a_sentence(
    chatting: Path, lang: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main([str(chatting), "--port", port, "--lang", lang]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert port in told
    assert "--port" in told


def test_a_port_of_ones_own_is_taken(chatting: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    web = Web(Chat.with_mind(open_mind(chatting), tmp_path), "en", port=port)
    try:
        assert web.address == f"http://127.0.0.1:{port}/"
        with pytest.raises(PortTaken):
            Web(Chat.with_mind(open_mind(chatting), tmp_path), "en", port=port)
    finally:
        web.stop()


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "0"),
        ("--port", "65536"),
        ("--port", "http"),
        ("--port", "-1"),
        ("--api-key", "a b"),
        ("--api-key", ""),
    ],
)
def test_a_port_and_a_key_that_cannot_be_are_told(
    chatting: Path, options: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(chatting), "--lang", "en", *options]) == 2
    assert options[0].strip("-").replace("-", "_") in capsys.readouterr().err.replace("-", "_")


def test_the_local_network_is_let_in_only_by_its_own_address(
    chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "open_browser", lambda url: True)
    monkeypatch.setenv("TERM", "xterm")  # a dumb one is not drawn upon
    try:
        web = Web(Chat.with_mind(open_mind(chatting), tmp_path), "en", lan=True)
    except NoNetwork:
        pytest.skip("this machine is in no network")
    try:
        host, port, token = address_in(web.url)
        assert host != LOOPBACK
        assert '"piece":"Привет"' in talked((host, port, token))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, int(port)), timeout=LONGEST).close()  # Windows tries it for two seconds
        lines = face.greeting(web, "en", terminal=True)
        assert any("Careful" in line for line in lines)
        assert face.qr(web.url) in lines
        assert len(face.greeting(web, "en", plain=True)) == len(lines)  # how to leave, and no code
    finally:
        web.stop()


def test_a_machine_in_no_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nowhere(socket.socket):
        def connect(self, _address: object) -> None:
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(server.socket, "socket", Nowhere)
    with pytest.raises(NoNetwork, match="in no local network"):
        server._own_address()


@pytest.mark.parametrize(("platform", "no_color"), [("linux", ""), ("linux", "1"), ("win32", "")])
def test_the_code_for_a_telephone_is_drawn_cell_by_cell(
    platform: str, no_color: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face.sys, "platform", platform)
    monkeypatch.setenv("NO_COLOR", no_color)
    url = "http://192.168.1.20:40123/#token=ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    light = platform == "win32" or bool(no_color)
    assert ("\x1b" in face.qr(url)) is not light
    drawn = re.sub(r"\x1b\[[\d;]*m", "", face.qr(url)).splitlines()
    upper, lower = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}, light
    rows = [[upper[cell][half] ^ lower for cell in line] for line in drawn for half in (0, 1)]
    expected = [list(map(int, row)) for row in segno.make(url, error="l", micro=False).matrix_iter(border=2)]
    assert rows[: len(expected)] == expected


def test_a_browser_in_the_terminal_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take the window from whoever reads in it."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(face.sys, "platform", "linux")
    monkeypatch.setattr("webbrowser.open", lambda url: pytest.fail("it was opened"))
    assert not face.open_browser("http://127.0.0.1/")


def test_a_browser_started_from_a_box_loads_its_own_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/tmp/_MEIbox")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/opt/lib")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr("webbrowser.open", lambda url: bool(seen.append(os.environ.get("LD_LIBRARY_PATH"))) or True)
    assert face.open_browser("http://127.0.0.1/")
    assert seen == ["/opt/lib"]
    assert os.environ["LD_LIBRARY_PATH"] == "/tmp/_MEIbox"


# --- beside the terminal, and without a page at all ---------------------------------------------------------------


@pytest.fixture
def terminal(chatting: Path, environment: dict[str, str]) -> Iterator[Any]:
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(
        sys.executable, ["-m", "chat_app", str(chatting)], env=environment, cwd=str(minds.ROOT), timeout=LONGEST,
        encoding="utf-8", dimensions=(40, 200),
    )  # fmt: skip
    yield child
    child.close(force=True)


def test_the_page_opens_beside_the_terminal_which_goes_on(terminal: Any, home: Path) -> None:
    terminal.expect("› ")
    terminal.sendline("/web")
    terminal.expect(ADDRESS.pattern)
    address = address_in(terminal.match.group(0))
    assert '"piece":"Привет"' in talked(address)
    terminal.expect("› ")
    terminal.sendline("Как дела?")
    terminal.expect_exact(HELLO)
    terminal.sendline("/web")
    terminal.expect_exact(address[2])  # the same page again, not another one
    terminal.sendline("/quit")
    terminal.wait()
    assert len(list(home.rglob("*.jsonl"))) == 2


def test_a_chat_in_the_terminal_opens_no_socket(terminal: Any, tmp_path: Path) -> None:
    terminal.expect("› ")
    for line in ("Привет", "/retry", "/stats", "/load", "/help"):
        terminal.sendline(line)
        terminal.expect("› ")
    terminal.sendline("/quit")
    terminal.wait()
    assert sockets(tmp_path) == []


def test_a_chat_in_a_pipe_opens_no_socket(chatting: Path, environment: dict[str, str], tmp_path: Path) -> None:
    with program(chatting, environment=environment, stdin=subprocess.PIPE) as running:
        answers, _ = running.communicate("Привет\n/retry\n", timeout=LONGEST)
    assert answers == f"{HELLO}\n{HELLO}\n"
    assert (tmp_path / "watch").exists()
    assert sockets(tmp_path) == []
