"""The page's server under attack, over real sockets: who is let in, and what becomes of everything else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_client import Client

from chat_app.chat import Chat
from chat_app.errors import PortTaken
from chat_app.mind import open_mind
from chat_app.web import connections, page
from chat_app.web.connections import LARGEST_BODY
from chat_app.web.guard import hosts
from chat_app.web.server import LOOPBACK, Web


@pytest.fixture(scope="module")
def client(chatting: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    web = Web(Chat.with_mind(open_mind(chatting), tmp_path_factory.mktemp("talks")), "en", key="sk-friend")
    yield Client(web)
    web.stop()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_only_this_machine_can_connect(client: Client) -> None:
    listener = client.web._server.socket
    assert listener.getsockname()[0] == LOOPBACK == "127.0.0.1"


def test_the_page_is_shown_to_anyone_here_and_holds_no_secret(client: Client) -> None:
    answer = client.get("/", Authorization="")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert client.web.token not in answer.body.decode()
    assert "token=" + client.web.token in client.web.url.partition("#")[2]  # a fragment is never sent


def test_the_page_may_run_its_own_script_and_nothing_else(client: Client) -> None:
    rules = dict(rule.split(" ", 1) for rule in client.get("/").headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["connect-src"] == "'self'"
    for kind in ("script-src", "style-src"):
        assert rules[kind].startswith("'sha256-")
        assert "unsafe" not in rules[kind]


def test_a_script_has_the_hash_that_browsers_compute() -> None:
    rules = page.policy("<html><script>alert('Hello, world.');</script>")  # the example of CSP Level 3
    assert "script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='" in rules
    assert "style-src 'none'" in rules


@pytest.mark.parametrize("path", ["/", "/api/state", "/nothing"])
def test_every_answer_carries_the_headers_that_protect_it(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert not {"Server", "Access-Control-Allow-Origin", "Set-Cookie"} & set(headers.keys())


@pytest.mark.parametrize(
    "credentials",
    ["", "Bearer", "Bearer ", "Basic {token}", "{token}", "Bearer {token}x", "Bearer \xe9", "Bearer {half}"],
)
def test_nobody_is_let_in_without_the_token(client: Client, credentials: str) -> None:
    token = client.web.token
    given = credentials.format(token=token, half=token[:16])
    for path in ("/api/state", "/api/conversations", "/v1/models", "/favicon.ico", "/no/such/place"):
        answer = client.get(path, Authorization=given)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        of_api = path.startswith("/v1/")
        assert answer.message.startswith("This key does not fit" if of_api else "The key of this start of the program")
        assert answer.value["error"]["code"] == ("invalid_api_key" if of_api else "no_token")


def test_the_token_is_no_use_in_the_address(client: Client) -> None:
    token = client.web.token
    assert client.get(f"/api/state?token={token}", Authorization="").status == 401


def test_the_key_for_programs_opens_the_api_and_no_conversation(client: Client) -> None:
    assert client.get("/v1/models", Authorization="Bearer sk-friend").status == 200
    assert client.get("/api/conversations", Authorization="Bearer sk-friend").status == 401


def test_a_ticket_gets_the_token_once_and_opens_nothing_else(client: Client) -> None:
    """What a browser is started with may be read in the list of processes."""
    ticket = client.web.url_for_browser().partition("#ticket=")[2]
    assert client.web.token not in client.web.url_for_browser()
    for path in ("/api/state", "/v1/models"):
        assert client.get(path, Authorization=f"Bearer {ticket}").status == 401
    assert client.post("/api/token", {}, Authorization=f"Bearer {ticket}").value == {"token": client.web.token}
    for given in (ticket, "", "sk-friend"):
        assert client.post("/api/token", {}, Authorization=f"Bearer {given}").status == 401


def test_every_launch_has_a_token_of_its_own(client: Client, chatting: Path, tmp_path: Path) -> None:
    other = Web(Chat.with_mind(open_mind(chatting), tmp_path), "en")
    other.stop()
    assert other.token != client.web.token
    assert len(other.token) >= 32


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", "[::1]:1"],
)
def test_a_foreign_name_that_leads_here_is_refused(client: Client, host: str) -> None:
    """DNS rebinding: the page of another site whose name has come to mean this machine."""
    for path in ("/", "/api/state"):
        answer = client.get(path, Host=host.format(port=client.port))
        assert answer.status == 403
        assert "only the program's own page" in answer.message


def test_no_host_or_two_of_them_are_refused(client: Client) -> None:
    own, end = f"Host: {client.host}\r\n".encode(), b"Connection: close\r\n\r\n"
    assert status(client.raw(b"GET / HTTP/1.1\r\n" + end)) == 400
    assert "does not say by its Host" in client.get("/", Host="").message
    assert status(client.raw(b"GET / HTTP/1.1\r\n" + own + b"Host: evil.example\r\n" + end)) == 403
    assert status(client.raw(b"GET / HTTP/1.1\r\n" + own + end)) == 200


def test_the_page_may_be_opened_by_the_name_of_this_machine(client: Client) -> None:
    host = f"localhost:{client.port}"
    assert client.get("/api/state", Host=host, Origin=f"http://{host}").status == 200


def test_at_the_port_that_every_http_has_nobody_names_it() -> None:
    assert hosts({"127.0.0.1", "localhost"}, 80) == {"127.0.0.1", "localhost", "127.0.0.1:80", "localhost:80"}
    assert hosts({"127.0.0.1"}, 8080) == {"127.0.0.1:8080"}


def test_the_page_is_served_at_port_80_too(chatting: Path, tmp_path: Path) -> None:
    try:
        web = Web(Chat.with_mind(open_mind(chatting), tmp_path), "en", port=80)
    except PortTaken:
        pytest.skip("port 80 is taken, or only an administrator may have it")
    try:
        assert Client(web).get("/api/state", Origin="http://127.0.0.1").status == 200  # http.client leaves :80 out too
        assert Client(web).get("/api/state", Host="evil.example").status == 403
    finally:
        web.stop()


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "127.0.0.1:{port}", ""],
)
def test_the_page_of_another_site_is_refused(client: Client, origin: str) -> None:
    given = origin.format(port=client.port)
    assert client.get("/api/state", Origin=given).status == 403
    assert client.post("/api/conversations", {}, Origin=given).status == 403


def test_another_site_gets_no_leave_to_ask(client: Client) -> None:
    answer = client.ask(
        "OPTIONS", "/api/state", Origin="http://evil.example", Access_Control_Request_Headers="authorization"
    )
    assert answer.status == 403
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


# --- requests that are too large, or no requests -----------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(client: Client) -> None:
    head = client.head("POST", "/api/conversations", f"Content-Length: {2 * LARGEST_BODY}") + b"\r\n"
    answer = client.raw(head)  # not a byte of the body has left
    assert status(answer) == 413
    assert b"request_too_large" in answer
    assert b"nosniff" in answer


def test_a_client_that_sends_two_megabytes_is_told_so(client: Client) -> None:
    answer = client.ask("POST", "/v1/chat/completions", data=b"x" * (2 << 20))
    assert answer.status == 413
    assert str(LARGEST_BODY) in answer.message


def test_a_refusal_is_heard_by_whoever_still_sends(client: Client) -> None:
    """A connection closed on arriving data is reset, and its last words are thrown away on some systems."""
    with client.connect() as connection:
        connection.sendall(client.head("POST", "/api/conversations", f"Content-Length: {3 << 20}") + b"\r\n")
        for _ in range(48):  # 3 MB, slowly enough for the refusal to come in between
            connection.sendall(b"x" * (1 << 16))
            time.sleep(0.001)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
    assert status(answer) == 413


def test_whoever_never_ends_a_refused_body_is_dropped(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_DROPPED", 1 << 20)
    head = client.head("POST", "/api/conversations", f"Content-Length: {1 << 40}") + b"\r\n"
    with client.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(head + b"x" * (100 << 20))


def test_a_body_in_chunks_is_refused_when_it_grows_too_large(client: Client) -> None:
    head = client.head("POST", "/api/conversations", "Transfer-Encoding: chunked") + b"\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert status(client.raw(head + 40 * chunk)) == 413


def test_a_body_just_within_the_limit_is_read(client: Client) -> None:
    body = b'{"text": "' + b"x" * (LARGEST_BODY - 100) + b'"}'
    answer = client.ask("POST", "/v1/completions", data=body)  # an unknown field, and room for nothing else
    assert answer.status == 200


def test_a_very_long_address_is_refused(client: Client) -> None:
    assert status(client.raw(b"GET /" + b"a" * (1 << 17) + b" HTTP/1.1\r\n\r\n")) == 431
    assert status(client.raw(client.head("GET", "/api/state", "X-Long: " + "a" * (1 << 17)) + b"\r\n")) == 431


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",  # a browser that was told https://
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_is_refused_or_dropped(client: Client, data: bytes) -> None:
    with client.connect() as connection:
        connection.settimeout(1)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)
    assert not answer or status(answer) in (400, 403)
    assert b"Traceback" not in answer
    assert client.get("/api/state").status == 200


@pytest.mark.parametrize("method", ["FOO", "TRACE", "PUT", "PATCH", "OPTIONS", "CONNECT", "delete\x7f"])
def test_a_method_that_nobody_knows_is_refused(client: Client, method: str) -> None:
    assert status(client.raw(client.head(method, "/api/state", "Connection: close") + b"\r\n")) in (400, 405)


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2Fetc%2Fpasswd", "..", "%2e%2e", "....//", "%00", "x%0d%0aSet-Cookie:a=b", "%ff", "*", "deleted",
        "..%5c..%5cboot.ini", "%2Fetc%2Fpasswd", "a" * 5000, "%F0%9F%98%80",
    ],
)  # fmt: skip
def test_no_id_leads_out_of_the_folder(client: Client, name: str, home: Path) -> None:
    for method, verb in (("GET", ""), ("DELETE", ""), ("POST", "/say"), ("POST", "/undo"), ("GET", "/look")):
        answer = client.ask(method, f"/api/conversations/{name}{verb}", {"text": "x"} if method == "POST" else None)
        assert answer.status in (404, 405), (method, verb)
        assert "Set-Cookie" not in answer.headers
        assert b"root:" not in answer.body
    assert not list(home.rglob("last-error.log"))


def test_a_header_cannot_be_smuggled_into_the_answer(client: Client) -> None:
    for path in ("/x%0d%0aSet-Cookie:%20a=b", "/api/state?lang=ru%0d%0aSet-Cookie:%20a=b"):
        answer = client.raw(client.head("GET", path, "Connection: close") + b"\r\n")
        assert b"\r\nSet-Cookie" not in answer
    smuggled = client.head("GET", "/api/state", "X-Language: ru\rSet-Cookie: a=b", "Connection: close")
    answer = client.raw(smuggled + b"\r\n")
    assert b"\r\nSet-Cookie" not in answer
    assert b"\rSet-Cookie" not in answer


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"null", b'"text"', b"1", b'{"text": NaN}', b'{"text": "\\ud800"}', b'{"text": "\xff"}',
        b'{"text": 1}', b'{"text": ["a"]}', b'{"text": {"a": 1}}', b'{"text": true}', b'{"TEXT": "a"}',
        b'{"text": "a", "sampling": 1}', b'{"text": "a", "sampling": {"temperature": "hot"}}',
        b'{"text": "a", "sampling": {"temperature": -1}}', b'{"text": "a", "sampling": {"temperature": 1e999}}',
        b'{"text": "a", "sampling": {"__class__": 1}}', b'{"text": "a", "sampling": {"seed": 1.5}}',
        b'{"text": "a", "sampling": {"top_k": true}}', b"[" * 100000, b'{"a":' * 3000,
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_a_sentence(client: Client, data: bytes, home: Path) -> None:
    talk = client.new()
    answer = client.ask("POST", f"{talk}/say", data=data)
    assert answer.status == 400
    assert answer.value["error"]["type"] == "invalid_request_error"
    assert answer.message.endswith((".", "?"))
    assert client.get(talk).value["messages"] == []
    assert not list(home.rglob("last-error.log"))


@pytest.mark.parametrize(
    "data", [b"{}", b'{"index": "0", "position": "0", "prompt": 1, "name": 2}', b'{"count": 0}', b"[1]"]
)
def test_no_place_takes_fields_of_another_type(client: Client, data: bytes) -> None:
    talk = client.new()
    for path in (f"{talk}/edit", f"{talk}/fork", "/api/attract", "/api/mind"):
        assert client.ask("POST", path, data=data).status == 400, path


@pytest.mark.parametrize("number", [10**30, -1, 2**63])
def test_numbers_beyond_all_bounds_are_refused(client: Client, number: int) -> None:
    talk = client.new()
    client.post(f"{talk}/say", {"text": "a"})
    for verb, value in (("edit", {"index": number, "text": "b"}), ("fork", {"position": number, "token": 1}),
                        ("fork", {"position": 0, "token": number})):  # fmt: skip
        assert client.post(f"{talk}/{verb}", value).status in (400, 409)
    assert len(client.get(talk).value["messages"]) == 2


@pytest.mark.parametrize(
    ("headers", "query", "russian"),
    [
        ({"X_Language": "ru"}, "", True),
        ({"Accept_Language": "ru-RU,ru;q=0.9,en;q=0.8"}, "", True),
        ({"Accept_Language": "fr, en;q=0.5"}, "", False),
        ({"Accept_Language": "fr"}, "", False),
        ({"Accept_Language": "en"}, "?lang=ru", True),
        ({"X_Language": "xx", "Accept_Language": "ru"}, "", True),
    ],
)
def test_sentences_are_in_the_language_of_whoever_asks(
    client: Client, headers: dict[str, str], query: str, russian: bool
) -> None:
    answer = client.get(f"/api/conversations/nothing{query}", **headers)
    assert answer.message.startswith("Разговора nothing нет" if russian else "There is no conversation nothing")


# --- many of them ---------------------------------------------------------------------------------------------------


def test_fifty_connections_that_say_nothing_or_a_byte_now_and_then_stop_nobody(client: Client) -> None:
    slow = [client.connect() for _ in range(50)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(client.head("POST", "/api/conversations", "Content-Length: 1000")[: 7 * (number % 25)])
        talk = client.new()
        for _ in range(3):
            for connection in slow[::2]:
                connection.sendall(b"x")
            started = time.perf_counter()
            assert client.post(f"{talk}/say", {"text": "Привет"}).text == "Привет, друг!"
            assert time.perf_counter() - started < 2
    finally:
        for connection in slow:
            connection.close()


def test_a_crowd_of_idle_connections_makes_room_for_the_next(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_CONNECTIONS", 10)
    crowd = [client.connect() for _ in range(30)]
    try:
        assert client.get("/api/state").status == 200
        assert len(client.web._server.active_channels) <= 12
        assert crowd[0].recv(1) == b""  # the first to come had to leave
    finally:
        for connection in crowd:
            connection.close()


def test_a_request_that_takes_for_ever_to_arrive_is_dropped(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_SLOW", 0.3)
    monkeypatch.setattr(client.web._server.adj, "cleanup_interval", 0)
    monkeypatch.setattr(client.web._server, "next_channel_cleanup", 0)
    with client.connect() as connection:
        started = time.perf_counter()
        connection.settimeout(0.05)
        ended = False
        while not ended and time.perf_counter() - started < 10:
            try:
                connection.sendall(b"G")  # it is never silent
                ended = connection.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
    assert ended
    assert client.get("/api/state").status == 200


def test_a_program_that_breaks_says_so_without_a_word_of_what_was_said(
    client: Client, monkeypatch: pytest.MonkeyPatch, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_chat: Chat, text: str) -> None:
        raise KeyError(text)

    monkeypatch.setattr(Chat, "say", broken)
    answer = client.post(f"{client.new()}/say", {"text": "тайна"})
    assert answer.status == 500
    assert answer.value["error"]["type"] == "server_error"
    assert answer.message.startswith("The program broke down: KeyError")
    assert "тайна" not in answer.body.decode()
    (log,) = home.rglob("last-error.log")
    assert answer.message.endswith(str(log))
    assert answer.value["error"]["code"] == "program_broke"
    assert "KeyError" in log.read_text("utf-8")
    assert "тайна" not in log.read_text("utf-8")
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed_of_what_is_asked_for(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    talk = client.new()
    client.post(f"{talk}/say", {"text": "тайна"})
    client.get("/%D1%82%D0%B0%D0%B9%D0%BD%D0%B0")
    client.raw(b"GARBAGE\r\n\r\n")
    assert capfd.readouterr() == ("", "")
