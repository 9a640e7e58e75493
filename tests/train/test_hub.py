"""Fetching from a Hub of our own on 127.0.0.1, with the real client."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from trainer import hub as hubs

COMMIT = "0" * 39 + "1"


class Hub(BaseHTTPRequestHandler):
    """The two addresses that fetching a dataset asks: what it holds, and a file of it."""

    files: dict[str, bytes] = {}  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/us/talk/revision/"):
            names = [{"rfilename": name} for name in self.files]
            self.send(json.dumps({"id": "us/talk", "sha": COMMIT, "siblings": names}).encode(), body=body)
        elif path.startswith("/api/datasets/us/talk/tree/"):
            tree = [{"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in self.files.items()]  # fmt: skip
            self.send(json.dumps(tree).encode(), body=body)
        elif path.startswith("/datasets/us/talk/resolve/") and (data := self.files.get(path.split("/", 6)[-1])):
            self.send(data, body=body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def send(self, data: bytes, *, body: bool) -> None:
        self.send_response(200)
        for name, value in (("Content-Length", len(data)), ("ETag", f'"{hashlib.sha1(data).hexdigest()}"'),
                            ("X-Repo-Commit", COMMIT)):  # fmt: skip
            self.send_header(name, str(value))
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def hub(tmp_path):
    table = pa.table(
        {"conversation": [[{"role": "user", "content": "Кто там?"}, {"role": "assistant", "content": "Я."}]]}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    Hub.files = {"data/a.parquet": (tmp_path / "a.parquet").read_bytes(), "model.bin": b"not asked for"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetched(address: str, home, dataset: str) -> str:
    """What another process says of it: the client reads its settings when it is imported."""
    code = (
        "import sys; from trainer import hub; from trainer.errors import CorpusError\n"
        "from trainer.corpora import documents\n"
        "try: print([d.text for d in documents.read(hub.fetch(sys.argv[1]))])\n"
        "except CorpusError as error: print('refused:', error)"
    )
    settings = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DISABLE_XET": "1"}
    settings |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "PATH": ""}
    settings |= {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # or Windows has no sockets
    ended = subprocess.run(
        [sys.executable, "-c", code, dataset], env=settings, capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


def test_a_dataset_is_fetched_once_and_then_read_without_a_network(hub, tmp_path) -> None:
    home = tmp_path / "home"
    assert fetched(hub, home, "us/talk") == "['— Кто там?\\n— Я.']"
    assert fetched("http://127.0.0.1:9", home, "us/talk") == "['— Кто там?\\n— Я.']"
    assert not list(home.rglob("model.bin"))


def test_every_packing_that_can_be_read_is_fetched(hub, tmp_path) -> None:
    packers = {"": bytes, ".bz2": bz2.compress, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
    Hub.files = {f"{number}.txt{packing}": pack(b"talk") for number, (packing, pack) in enumerate(packers.items())}
    for number, (packing, pack) in enumerate(packers.items(), 4):
        Hub.files[f"{number}.jsonl{packing}"] = pack(b'{"text": "row"}')
    assert fetched(hub, tmp_path / "home", "us/talk") == str(["talk"] * 4 + ["row"] * 4)


def test_a_text_in_place_of_the_dataset_needs_no_network(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(hubs, "fetch", lambda name: asked.append(name) or Path("cache"))
    assert hubs.paths(("by hand", "~/more"), "us/talk") == [Path("by hand"), Path.home() / "more"]
    assert not asked
    assert hubs.paths((), "us/talk") == [Path("cache")]
    assert hubs.paths((), "") == []


def test_a_dataset_out_of_reach_is_a_sentence(hub, tmp_path) -> None:
    for address, name in ((hub, "us/nothing"), (hub, "no name at all"), ("http://127.0.0.1:9", "us/talk")):
        said = fetched(address, tmp_path / "empty", name)
        assert said.startswith(f"refused: The dataset {name} cannot be fetched: ")
        assert said.endswith("give its folder with --text NAME=FOLDER.")
