"""Maxim Moshkov's library as documents: author pages and works of az.lib.ru, plain pages of lib.ru.

Knows the library's HTML; asks for pages through the crawler only; judges no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from chat_app import __version__
from trainer.corpora.crawler import Crawler, Page
from trainer.corpora.documents import Document
from trainer.corpora.encoding import decode
from trainer.corpora.within_lines import hyphenation
from trainer.errors import CorpusError
from trainer.sections import Librus

_START: Final = re.compile(r"<!-+\s*Собственно произведение\s*-*>")
_END: Final = re.compile(r"<!-{20,}>|<!-+\s*Блок описания произведения \(слева внизу\)")
_META: Final = re.compile(rb"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_YEAR: Final = re.compile(r"Год:\s*(1[5-9]\d\d|20\d\d)")
_BLOCKS: Final = frozenset(
    ("dd", "p", "div", "tr", "li", "ul", "ol", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "table",
     "blockquote", "center", "pre", "td")
)  # fmt: skip
_EDGE: Final = "\v"  # where a block begins or ends: however many meet, they are one line end
_SILENT: Final = frozenset(("script", "style", "form", "-comment", "title"))


def documents(
    settings: Librus, crawler: Crawler | None = None, say: Callable[[str], None] = print
) -> Iterator[Document]:
    """Every work of the recipe's pages: an author's page gives all its works, another page is a work itself.

    What is missing or cut is said at the end and never fatal. CorpusError when the library refuses or is silent.
    """
    if crawler is None:
        agent = f"MindInABox/{__version__} (+{settings.contact})"
        crawler = Crawler(Path(settings.cache).expanduser(), agent, settings.delay)
    torn, found = [], 0
    for url in dict.fromkeys(work for page in settings.pages for work in _works_of(page, crawler)):
        page = crawler.get(url)
        document = work(page) if page else None
        if document:
            found += 1
            yield document
        elif page:
            torn.append(url)
            crawler.forget(url)
    say(f"lib.ru: {found} works, {crawler.requests} requests")
    for reason, urls in (
        ("not there", crawler.missing), ("forbidden by robots.txt", crawler.forbidden),
        ("no answer, ask again later", crawler.failed), ("cut off or of a form not known", torn),
    ):  # fmt: skip
        for url in urls:
            say(f"lib.ru: {url}: {reason}")


def _works_of(url: str, crawler: Crawler) -> Iterator[str]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise CorpusError(f"corpus.librus.pages: {url} is not an address; write one as http://az.lib.ru/c/chehow_a_p/.")
    if not url.endswith("/"):
        yield url
    elif page := crawler.get(url):
        yield from works(page)


def works(page: Page) -> list[str]:
    """Addresses of the works that an author's page lists, in its order, each once."""
    tree = LexborHTMLParser(_text_of(page))
    links = (link.attributes.get("href") or "" for link in tree.css("dl li > a, dl dt > a"))
    found = (urljoin(page.url, href) for href in links if href.endswith((".shtml", ".txt", ".html")))
    folder = page.url.rpartition("/")[0] + "/"
    return list(dict.fromkeys(url for url in found if url.startswith(folder)))


def work(page: Page) -> Document | None:
    """The work that a page holds; None if it holds none, or not all of it."""
    html = _text_of(page)
    tree = LexborHTMLParser(html)
    author, title = _names(tree)
    year = _YEAR.search(html)
    if start := _START.search(html):
        end = _END.search(html, start.end())
        body = LexborHTMLParser(html[start.end() : end.start()]).body if end else None
        text = _paragraphs(body) if body else ""
    else:
        text = _plain(tree) if re.search("</(pre|html)>", html, re.IGNORECASE) else ""
    return Document(text, page.url, author, title, int(year[1]) if year else None) if text else None


def _text_of(page: Page) -> str:
    declared = re.search(r"charset=([\w-]+)", page.headers.get("content-type", ""))
    meta = _META.search(page.body[:2048])
    return decode(page.body, declared[1] if declared else meta[1].decode() if meta else "")


def _names(tree: LexborHTMLParser) -> tuple[str, str]:
    """Author and title: of the heading `<small>author:</small><br>title` of az.lib.ru, else of the page's title."""
    heading = tree.css_first("h2")
    author = heading.css_first("small") if heading else None
    if heading and author:
        name = author.text().strip().rstrip(":")
        return name, _one_line(heading.text().replace(author.text(), "", 1))
    title = tree.css_first("title")
    name, _, rest = _one_line(title.text() if title else "").partition(". ")
    return (name, rest) if rest else ("", name)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(body: LexborNode) -> str:
    """The text of a node, a paragraph a line; line ends of the source are spaces, as in any HTML."""
    parts: list[str] = []
    rest: list[LexborNode | str] = [body]  # a stack: pages leave thousands of tags open, too deep for recursion
    while rest:
        node = rest.pop()
        if isinstance(node, str):
            parts.append(node)
        elif node.tag == "-text":
            parts.append(re.sub("[\r\n\t\v]", " ", node.text_content or ""))
        elif node.tag == "br":
            parts.append("\n")
        elif node.tag not in _SILENT:
            edge = _EDGE if node.tag in _BLOCKS else ""
            rest += [edge, *reversed(list(node.iter(include_text=True))), edge]
    text = re.sub(f" *{_EDGE}[ {_EDGE}]*", "\n", "".join(parts))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()


def _plain(tree: LexborHTMLParser) -> str:
    """The text of lib.ru's `<pre>`: lines of a fixed width, a paragraph begins with spaces or after an empty line."""
    for node in tree.css("form, script, style, title"):
        node.decompose()
    lines = "\n".join(pre.text() for pre in tree.css("pre")).expandtabs(4).split("\n")
    width = sorted(map(len, lines))[len(lines) * 9 // 10]
    paragraphs, before = [""], ""
    for line in lines:
        if line.startswith("  ") or not line.strip() or not before.strip() or len(before) < width * 3 // 4:
            paragraphs.append(line.strip())
        else:
            paragraphs[-1] += "\n" + line.strip() if paragraphs[-1].endswith("-") else " " + line.strip()
        before = line
    return re.sub("\n{3,}", "\n\n", hyphenation("\n".join(paragraphs))).strip()
