"""What the server costs beside the bare engine: ratios, measured in one run with a mind of 92 MB.

Run by `nox -s bench`; prints one JSON object. The reader is a process of its own, as a browser is: in ours it would
share the interpreter with what it measures. Engine and server take turns, so that a busy moment hits them alike.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from chat_app.chat import Chat
from chat_app.engine import Engine
from chat_app.mind import open_mind
from chat_app.sampler import Sampling
from chat_app.web.server import LOOPBACK, Web
from tests.bench import shape

TOKENS = 40
TURNS = 7
PROMPT = [5 + i for i in range(64)]
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=TOKENS, seed=1)


def reader(port: int, token: str, connection: Connection) -> None:
    """Ask as often as it is told, and say when the first token came, and when the last, in seconds after asking."""
    while connection.recv():
        asked = {
            "prompt": PROMPT, "stream": True, "temperature": SAMPLING.temperature, "top_p": SAMPLING.top_p,
            "max_tokens": TOKENS, "seed": SAMPLING.seed,
        }  # fmt: skip
        body = json.dumps(asked).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((LOOPBACK, port)) as server, server.makefile("rb") as stream:
            started = time.perf_counter()
            server.sendall(head.encode() + body)
            times = [time.perf_counter() - started for line in stream if line.startswith(b'data: {"id"')]
        connection.send((times[0], times[-2], len(times) - 1))  # the last event tells only how it ended


def bare(engine: Engine) -> tuple[float, float]:
    """(seconds to the first token, seconds a token from there on) of the engine alone."""
    engine.cache.keep(0)
    started = time.perf_counter()
    times = [time.perf_counter() - started for _ in engine.generate(PROMPT, SAMPLING)]
    return times[0], (times[-1] - times[0]) / (len(times) - 1)


def served(web: Web, connection: Connection) -> tuple[float, float]:
    """The same through the server."""
    for engine in web.talks.voice.seats._free:
        engine.cache.keep(0)
    connection.send(True)
    first, last, count = connection.recv()
    assert count == TOKENS, f"{count} events of {TOKENS} tokens"
    return first, (last - first) / (count - 1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shape.mind"
        shape.write(path)
        chat = Chat.with_mind(open_mind(path), Path(folder))
        chat.engine.warm_up()
        web = Web(chat, "en")
        here, there = multiprocessing.get_context("spawn").Pipe()
        port = int(web.address.rsplit(":", 1)[1].strip("/"))
        arguments = port, web.token, there
        process = multiprocessing.get_context("spawn").Process(target=reader, args=arguments, daemon=True)
        process.start()
        served(web, here)  # everything is touched once
        alone, through = [], []
        for _ in range(TURNS):
            alone.append(bare(chat.engine))
            through.append(served(web, here))
        here.send(False)
        process.join()
        web.stop()
    middle = statistics.median
    result = {
        "server_first_token_seconds": middle(first - other for (first, _), (other, _) in zip(through, alone)),
        "server_speed": middle(other / each for (_, each), (_, other) in zip(through, alone)),
        "server_tokens_per_second": 1 / middle(each for _, each in through),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
