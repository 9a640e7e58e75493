"""Fetching pages politely: one at a time, slowly, each once. Knows HTTP and a disk cache, no HTML.

A page in the cache is one file: a line of JSON (address, status, headers), then the bytes as they came.
"""

from __future__ import annotations

import email.utils
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpx
import orjson

from trainer.errors import CorpusError
from trainer.files import replacing

GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
LIMIT = 32 << 20  # bytes of a page; the longest novels are below 5 MB
REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Page:
    """What came from `url`: the status, header names in lower case, the body."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Crawler:
    """Asks at most once in `delay` seconds; `sleep` and `clock` are handed in so that tests need not wait."""

    cache: Path
    agent: str
    delay: float = 1.0
    tries: int = 5
    timeout: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    missing: list[str] = field(default_factory=list)
    """Addresses that are not there (404), today or when they were asked first."""
    forbidden: list[str] = field(default_factory=list)
    """Addresses that robots.txt asks to leave alone."""
    failed: list[str] = field(default_factory=list)
    """Addresses that gave no answer after all tries; another run will ask again."""
    requests: int = 0
    _last: float | None = None
    _in_a_row: int = 0
    _robots: dict[str, RobotFileParser] = field(default_factory=dict)

    def get(self, url: str) -> Page | None:
        """The page, from the cache if it was ever fetched; None if it is missing, forbidden or out of reach.

        Raises CorpusError when the host refuses, or has not answered for three pages in a row.
        """
        for _ in range(REDIRECTS):
            page = self._cached(url) or self._ask(url)
            if page is None:
                return None
            if page.status in GONE:
                self.missing.append(url)
                return None
            if not (300 <= page.status < 400):
                return page
            url = urljoin(url, page.headers.get("location", ""))
        self.failed.append(url)
        return None

    def forget(self, url: str) -> None:
        """Drop a page from the cache: it was not whole."""
        self._file(url).unlink(missing_ok=True)

    def _file(self, url: str) -> Path:
        digest = hashlib.blake2b(url.encode(), digest_size=16).hexdigest()
        return self.cache / (urlsplit(url).hostname or "unknown") / digest

    def _cached(self, url: str) -> Page | None:
        try:
            head, _, body = self._file(url).read_bytes().partition(b"\n")
            return Page(**orjson.loads(head), body=body)
        except (FileNotFoundError, orjson.JSONDecodeError, TypeError):  # never asked, or not a file of ours
            return None

    def _ask(self, url: str) -> Page | None:
        if not self._allowed(url):
            self.forbidden.append(url)
            return None
        page = self._fetch(url)
        if page is None:
            self.failed.append(url)
            self._in_a_row += 1
            if self._in_a_row >= 3:
                raise CorpusError(
                    f"{urlsplit(url).hostname} has not answered for {self._in_a_row} pages in a row, the last {url}. "
                    f"What was fetched is kept in {self.cache}: run the same command later, and it goes on from there."
                )
            return None
        self._in_a_row = 0
        head = orjson.dumps({"url": page.url, "status": page.status, "headers": page.headers})
        with replacing(self._file(url)) as file:
            file.write(head + b"\n" + page.body)
        return page

    def _allowed(self, url: str) -> bool:
        """Whether robots.txt of the host lets us in; asked once a run, a missing one allows everything."""
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._robots:
            page = self._rules(f"{host}/robots.txt")
            if page is None:
                raise CorpusError(f"{host}/robots.txt does not answer, so nothing else is asked: try again later.")
            rules = RobotFileParser()
            rules.parse(page.body.decode("latin-1").splitlines() if page.status == HTTPStatus.OK else [])
            self._robots[host] = rules
            self.delay = max(self.delay, float(rules.crawl_delay(self.agent) or 0))
        return self._robots[host].can_fetch(self.agent, url)

    def _rules(self, url: str) -> Page | None:
        """robots.txt itself, wherever it has moved to (RFC 9309, section 2.3.1.2)."""
        page = self._fetch(url)
        for _ in range(REDIRECTS):
            if page is None or not 300 <= page.status < 400:
                break
            page = self._fetch(urljoin(page.url, page.headers.get("location", "")))
        return page

    def _fetch(self, url: str) -> Page | None:
        """Ask up to `tries` times, waiting twice as long after each; None if there is still no answer."""
        for attempt in range(self.tries):
            wait = 2.0**attempt
            self._wait_for_turn()
            try:
                page = self._request(url)
            except httpx.TransportError:  # time-outs, refusals, connections cut in the middle
                page = None
            except httpx.InvalidURL as error:
                raise CorpusError(f"{url} is not an address: {error}.") from error
            if page and page.status != HTTPStatus.TOO_MANY_REQUESTS and page.status < 500:
                return self._welcome(page)
            if page:
                wait = max(wait, _retry_after(page.headers.get("retry-after", "")))
            if attempt + 1 < self.tries:
                self.sleep(wait)
        return None

    def _welcome(self, page: Page) -> Page:
        if page.status >= 400 and page.status not in GONE and not page.url.endswith("/robots.txt"):
            raise CorpusError(
                f"{page.url} is refused with status {page.status}. What was fetched is kept in {self.cache}; "
                "ask the library's keeper before you go on."
            )
        return page

    def _wait_for_turn(self) -> None:
        if self._last is not None and (rest := self._last + self.delay - self.clock()) > 0:
            self.sleep(rest)
        self._last = self.clock()

    def _request(self, url: str) -> Page:
        self.requests += 1
        body = bytearray()
        with httpx.stream("GET", url, headers={"User-Agent": self.agent}, timeout=self.timeout) as answer:
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > LIMIT:
                    raise CorpusError(f"{url} is longer than {LIMIT >> 20} MB: that is no page of a library.")
            headers = {name.lower(): value for name, value in answer.headers.items()}
        return Page(url, answer.status_code, headers, bytes(body))


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for, given as a number or a date; at most an hour."""
    if value.isdecimal():
        return min(float(value), 3600.0)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:  # written without a zone, or as -0000
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), 3600.0)
