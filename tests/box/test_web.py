"""The page and the API of a box, on a machine without a browser."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import minds
import pytest

from chat_app import mind

if TYPE_CHECKING:
    from conftest import Box

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process of Windows alone")
LONGEST = 60  # seconds


class Server:
    """What a box serves, asked with the token of its launch."""

    def __init__(self, address: str, token: str) -> None:
        self._address, self._token = address, token

    def ask(self, place: str, value: Any = None, *, token: str | None = None) -> tuple[int, str]:
        """(status, body) of a GET, or of a POST where there is something to say."""
        connection = http.client.HTTPConnection(self._address, timeout=LONGEST)
        headers = {"Authorization": f"Bearer {self._token if token is None else token}"}
        connection.request("GET" if value is None else "POST", place, value and json.dumps(value), headers)
        response = connection.getresponse()
        answered = response.status, response.read().decode()
        connection.close()
        return answered

    def stream(self, place: str, **values: Any) -> list[Any]:
        """The first choices of the events of a stream that has come to its end."""
        status, body = self.ask(place, {**values, "stream": True})
        *events, end = [line.removeprefix("data: ") for line in body.split("\n\n") if line]
        assert (status, end) == (200, "[DONE]"), body
        return [json.loads(event)["choices"][0] for event in events]


@contextmanager
def served(box: Box, *arguments: object) -> Iterator[Server]:
    """The box with its page, told of nothing but a home and a place to unpack; then stopped as by Ctrl-C."""
    environment = {name: box.environment()[name] for name in ("HOME", "TMPDIR")}
    with subprocess.Popen(
        [box.path, *map(str, arguments), "--web", "--lang", "en"], env=environment, cwd=box.around, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        try:
            opening = running.stdout.readline()
            found = re.search(r"http://(127\.0\.0\.1:\d+)/#token=(\S+)", opening)
            assert found, opening + running.stderr.read()
            assert opening.startswith("No browser opened.")
            yield Server(*found.groups())
            running.send_signal(signal.SIGINT)
            rest, complaints = running.communicate(timeout=LONGEST)
        finally:
            running.kill()
    assert (running.returncode, complaints) == (0, "")
    assert rest.endswith("Goodbye.\n")
    assert not box.unpacks or not list(box.temp.iterdir())


def test_its_page_and_its_own_mind_are_served_without_a_browser(box: Box) -> None:
    own = mind.open_mind(box.path)
    with served(box) as server:
        status, page = server.ask("/")
        assert (status, page[:15]) == (200, "<!doctype html>")
        assert server.ask("/v1/models", token="none")[0] == 401
        (model,) = [each for each in json.loads(server.ask("/v1/models")[1])["data"] if ":" not in each["id"]]
        assert model["id"] == own.name
        said = {"prompt": "Кот"} if not own.can_chat else {"messages": [{"role": "user", "content": "Кот"}]}
        place = "/v1/chat/completions" if own.can_chat else "/v1/completions"
        choices = server.stream(place, max_tokens=8, seed=1, **said)
        assert "".join(each.get("text", each.get("delta", {}).get("content", "")) for each in choices)


def test_programs_chat_with_a_mind_given_to_it(box: Box, chatting: Path) -> None:
    with served(box, chatting) as server:
        choices = server.stream("/v1/chat/completions", messages=[{"role": "user", "content": "Привет"}])
    assert "".join(each["delta"].get("content", "") for each in choices) == minds.ANSWER_TEXT
    assert choices[-1]["finish_reason"] == "stop"
    assert len(choices) > 3
