"""The crawler and the parser against a library of invented works on 127.0.0.1."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trainer.corpora import librus
from trainer.corpora.crawler import Crawler, _retry_after
from trainer.corpora.gather import gather
from trainer.errors import CorpusError, RecipeError
from trainer.recipe import find, load
from trainer.sections import Corpus, Librus, Source

AUTHOR = """<html><head><title>Вязов Пётр Ильич. Сочинения</title></head><body>
<h3>Вязов Пётр Ильич:<br><font color="#cc5555">Сочинения</font></h3>
<DL><DT><li><b></b><A HREF=text_0010.shtml><b>Мельница</b></A> &nbsp; [1887] <b>12k</b> &nbsp; <small>"Рассказы"</small>
<br><DD><font color="#555555">О старой мельнице. <A HREF=/img/w/1.shtml>Рисунки</A></font></DL>
<DL><DT><li><A HREF=text_0020.shtml><b>Паром</b></A> &nbsp; <b>3k</b></DL>
<DL><DT><li><A HREF="text_0030.shtml"><b>Сгоревшая повесть</b></A> &nbsp; <b>1k</b></DL>
<DL><DT><li><A HREF=text_0010.shtml><b>Мельница, второй раз</b></A></DL>
<DL><DT><li><A HREF=http://elsewhere.example/w/other.shtml><b>Чужое</b></A></DL>
</body></html>"""

WORK = """<html><head><title>Вязов Пётр Ильич. Мельница</title></head><body>
<center><h2><small><a href=/w/>Вязов Пётр Ильич:</a></small><br>Мельница</h2></center>
<table><tr><!---- Блок описания произведения (слева вверху) -----------------------><td><ul>
<li>&copy; Copyright <a href=/w/>Вязов Пётр Ильич</a><li>Год: 1887<li>Обновлено: 12/01/2011. 12k.</ul></td></tr></table>
<!----------- Собственно произведение --------------->
<noindex><div align="justify"><center><h3>I</h3></center>
<dd>&nbsp;&nbsp; Мельница стояла <i>у самой</i>
воды.
<dd>&nbsp;&nbsp; &mdash; Чья она? &mdash; спросил Егор.<br>Никто не отвечал.
<dd>&nbsp;
<dd>&nbsp;&nbsp; Шумело колесо.</dd>
<script>alert("не текст")</script></div></noindex>
<!--------------------------------------------------->
<table><tr><!---- Блок описания произведения (слева внизу) ----------------------->
<td>Оставить комментарий</td></tr></table></body></html>"""

PLAIN = """<html><head><title>Степан Ольхин. У переправы</title></head><body><pre>
<form action=/x><input type=submit value="искать"></form>
<ul><a name=1></a><h2>У переправы</h2></ul>

     Паром ходил только днём, и всякий, кто приезжал в сумерки, ноче-
вал у старика-перевозчика, когда-то бога-
того.
     -- Садитесь, -- говорил он обыкновенно и уходил в сени за самоваром,
который был у него один на всю избу.

     Тихо у берега,
     Вода темна.
</pre><hr></body></html>"""


@dataclass
class Library:
    """What the server answers; a list is answered in its order, its last item for ever."""

    pages: dict[str, list] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    url: str = ""

    def put(self, path, text, *, encoding="cp1251", charset="windows-1251", status=200, **extra) -> None:
        body = text if isinstance(text, bytes) else text.encode(encoding)
        kind = "text/html" + (f"; charset={charset}" if charset else "")
        self.pages.setdefault(path, []).append({"body": body, "kind": kind, "status": status, **extra})

    def count(self, path: str) -> int:
        return self.asked.count(path)


def handler(library: Library) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            library.asked.append(self.path)
            library.agents.add(self.headers["User-Agent"])
            answers = library.pages.get(self.path, [{"body": b"no", "kind": "text/plain", "status": 404}])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            time.sleep(answer.get("slow", 0))
            try:
                self.send_response(answer["status"])
                for name, value in answer.get("headers", {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Type", answer["kind"])
                self.send_header("Content-Length", str(len(answer["body"]) + answer.get("cut", 0)))
                self.end_headers()
                self.wfile.write(answer["body"])
            except OSError:
                pass  # the crawler did not wait

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def library() -> Iterator[Library]:
    shelf = Library()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(shelf))
    server.daemon_threads = True
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    shelf.put("/w/", AUTHOR)
    shelf.put("/w/text_0010.shtml", WORK)
    shelf.put("/w/text_0020.shtml", WORK.replace("Мельница", "Паром").replace("Год: 1887", ""))
    yield shelf
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Clock:
    """A clock that stands still except while someone sleeps."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crawler(tmp_path, clock) -> Crawler:
    return Crawler(
        tmp_path / "cache", "MindInABox/9 (+me@example.org)", timeout=5.0, sleep=clock.sleep, clock=clock.time
    )


def crawl(library, crawler, *paths) -> tuple[list, str]:
    said: list[str] = []
    settings = Librus(pages=tuple(library.url + path for path in paths), contact="me@example.org")
    return list(librus.documents(settings, crawler, said.append)), "\n".join(said)


def test_an_authors_page_gives_all_works_and_what_is_missing_is_said(library, crawler) -> None:
    found, said = crawl(library, crawler, "/w/")
    assert [(d.author, d.title, d.year) for d in found] == [
        ("Вязов Пётр Ильич", "Мельница", 1887),
        ("Вязов Пётр Ильич", "Паром", None),
    ]
    assert found[0].source == f"{library.url}/w/text_0010.shtml"
    assert "2 works" in said
    assert "text_0030.shtml: not there" in said
    assert library.count("/w/text_0010.shtml") == 1
    assert "Чужое" not in said


def test_a_work_is_its_paragraphs_and_nothing_else(library, crawler) -> None:
    [found], _ = crawl(library, crawler, "/w/text_0010.shtml")
    assert found.text.split("\n") == [
        "I",
        "Мельница стояла у самой воды.",
        "— Чья она? — спросил Егор.",
        "Никто не отвечал.",
        "",
        "Шумело колесо.",
    ]


def test_the_older_end_mark_ends_a_work_too(library, crawler) -> None:
    library.put("/w/old.shtml", WORK.replace("<!" + "-" * 51 + ">", ""))
    [found], _ = crawl(library, crawler, "/w/old.shtml")
    assert found.text.endswith("Шумело колесо.")


def test_a_plain_page_is_unwrapped_into_paragraphs(library, crawler) -> None:
    library.put("/PROZA/oljhin.txt", PLAIN, encoding="koi8-r", charset="koi8-r")
    [found], _ = crawl(library, crawler, "/PROZA/oljhin.txt")
    assert (found.author, found.title) == ("Степан Ольхин", "У переправы")
    assert [line for line in found.text.split("\n") if line] == [
        "У переправы",
        "Паром ходил только днём, и всякий, кто приезжал в сумерки, ночевал у старика-перевозчика, когда-то богатого.",
        "-- Садитесь, -- говорил он обыкновенно и уходил в сени за самоваром, который был у него один на всю избу.",
        "Тихо у берега,",
        "Вода темна.",
    ]
    assert "искать" not in found.text


@pytest.mark.parametrize("charset", ["", "utf-8", "koi8-r", "iso-8859-1", "no-such-thing"])
@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "utf-8"])
def test_a_wrong_or_missing_charset_is_seen_through(library, crawler, encoding, charset) -> None:
    library.put("/w/odd.shtml", WORK, encoding=encoding, charset=charset)
    [found], _ = crawl(library, crawler, "/w/odd.shtml")
    assert "Мельница стояла у самой воды." in found.text


def test_a_slow_answer_is_given_up_and_asked_for_again(library, crawler, clock) -> None:
    crawler.timeout = 0.2
    library.put("/w/slow.shtml", WORK, slow=1.0)
    library.put("/w/slow.shtml", WORK)
    found, _ = crawl(library, crawler, "/w/slow.shtml")
    assert len(found) == 1
    assert library.count("/w/slow.shtml") == 2


def test_a_busy_server_is_given_time_twice_as_long_after_each_try(library, crawler, clock) -> None:
    for _ in range(3):
        library.put("/w/busy.shtml", "busy", status=503)
    library.put("/w/busy.shtml", WORK)
    found, _ = crawl(library, crawler, "/w/busy.shtml")
    assert len(found) == 1
    assert [s for s in clock.slept if s > 1] == [2, 4]
    assert clock.slept.count(1) == 2  # the turn after robots.txt, and the first wait


def test_retry_after_is_honoured(library, crawler, clock) -> None:
    library.put("/w/busy.shtml", "slow down", status=429, headers={"Retry-After": "77"})
    library.put("/w/busy.shtml", WORK)
    crawl(library, crawler, "/w/busy.shtml")
    assert 77 in clock.slept


def test_retry_after_may_be_a_date_or_nonsense() -> None:
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert _retry_after("Wed, 21 Oct 2099 07:28:00 GMT") == 3600
    assert _retry_after("Wed, 21 Oct 2099 07:28:00") == _retry_after("Wed, 21 Oct 2099 07:28:00 -0000") == 3600
    assert _retry_after("soon") == _retry_after("") == 0


def test_a_connection_cut_in_the_middle_is_not_taken_for_a_page(library, crawler) -> None:
    library.put("/w/cut.shtml", WORK.encode("cp1251")[:700], cut=500)
    library.put("/w/cut.shtml", WORK)
    [found], _ = crawl(library, crawler, "/w/cut.shtml")
    assert found.text.endswith("Шумело колесо.")
    assert library.count("/w/cut.shtml") == 2


def test_a_page_that_lacks_its_end_is_said_and_asked_for_again_next_time(library, crawler) -> None:
    library.put("/w/torn.shtml", WORK[: WORK.index("Никто")])
    library.put("/w/torn.shtml", WORK)
    found, said = crawl(library, crawler, "/w/torn.shtml")
    assert not found
    assert "torn.shtml: cut off" in said
    assert len(crawl(library, crawler, "/w/torn.shtml")[0]) == 1


def test_a_page_that_always_fails_is_said_and_does_not_end_the_crawl(library, crawler) -> None:
    library.put("/w/text_0020.shtml", "broken", status=500)
    library.pages["/w/text_0020.shtml"] = library.pages["/w/text_0020.shtml"][-1:]
    found, said = crawl(library, crawler, "/w/")
    assert [d.title for d in found] == ["Мельница"]
    assert "text_0020.shtml: no answer" in said
    assert library.count("/w/text_0020.shtml") == crawler.tries


def test_a_silent_library_ends_the_crawl_with_a_sentence(library, crawler) -> None:
    for i in range(9):
        library.put(f"/w/{i}.shtml", "broken", status=502)
    with pytest.raises(CorpusError, match="has not answered for 3 pages in a row"):
        crawl(library, crawler, *(f"/w/{i}.shtml" for i in range(9)))
    assert library.count("/w/3.shtml") == 0


def test_a_refusal_ends_the_crawl_at_once(library, crawler) -> None:
    library.put("/w/no.shtml", "go away", status=403)
    with pytest.raises(CorpusError, match="refused with status 403"):
        crawl(library, crawler, "/w/no.shtml", "/w/text_0010.shtml")
    assert library.count("/w/no.shtml") == 1
    assert library.count("/w/text_0010.shtml") == 0


def test_robots_txt_is_obeyed(library, crawler, clock) -> None:
    rules = "User-agent: *\nCrawl-delay: 7\nDisallow: /w/text_0020\n"
    library.put("/robots.txt", rules, charset="")
    found, said = crawl(library, crawler, "/w/")
    assert [d.title for d in found] == ["Мельница"]
    assert "text_0020.shtml: forbidden by robots.txt" in said
    assert library.count("/w/text_0020.shtml") == 0
    assert library.count("/robots.txt") == 1
    assert set(clock.slept) == {7}


def test_robots_txt_is_obeyed_wherever_it_has_moved(library, crawler) -> None:
    library.put("/robots.txt", "", status=301, headers={"Location": "/rules/robots.txt"})
    library.put("/rules/robots.txt", "User-agent: *\nDisallow: /w/text_0020\n", charset="")
    _, said = crawl(library, crawler, "/w/")
    assert "text_0020.shtml: forbidden by robots.txt" in said


def test_robots_txt_out_of_order_closes_the_library(library, crawler) -> None:
    library.put("/robots.txt", "broken", status=500)
    with pytest.raises(CorpusError, match=r"robots\.txt does not answer"):
        crawl(library, crawler, "/w/")
    assert set(library.asked) == {"/robots.txt"}


def test_an_interrupted_crawl_goes_on_without_asking_twice(library, crawler, tmp_path, clock) -> None:
    settings = Librus(pages=(f"{library.url}/w/",), contact="me@example.org")
    interrupted = librus.documents(settings, crawler, lambda line: None)
    next(interrupted)
    interrupted.close()
    again = Crawler(crawler.cache, crawler.agent, sleep=clock.sleep, clock=clock.time)
    assert len(crawl(library, again, "/w/")[0]) == 2
    for path in ("/w/", "/w/text_0010.shtml", "/w/text_0020.shtml", "/w/text_0030.shtml"):
        assert library.count(path) == 1


def test_a_finished_crawl_asks_for_nothing_and_still_knows_what_was_missing(library, crawler, clock) -> None:
    crawl(library, crawler, "/w/")
    asked = len(library.asked)
    again = Crawler(crawler.cache, crawler.agent, sleep=clock.sleep, clock=clock.time)
    found, said = crawl(library, again, "/w/")
    assert len(found) == 2
    assert "0 requests" in said
    assert "text_0030.shtml: not there" in said
    assert len(library.asked) == asked
    assert not [f for f in crawler.cache.rglob("*") if f.name.endswith(".partial")]


def test_a_damaged_cache_file_is_asked_for_again(library, crawler) -> None:
    crawl(library, crawler, "/w/text_0010.shtml")
    for file in crawler.cache.rglob("*"):
        if file.is_file():
            file.write_bytes(b"\x00\x01")
    assert len(crawl(library, crawler, "/w/text_0010.shtml")[0]) == 1


def test_two_requests_are_never_closer_than_the_delay(library, crawler, clock) -> None:
    crawler.delay = 2.5
    crawl(library, crawler, "/w/")
    assert clock.slept == [2.5] * 4  # robots.txt, the author, three works


def test_time_spent_elsewhere_counts_as_waiting(library, crawler, clock) -> None:
    works = librus.documents(Librus(pages=(f"{library.url}/w/",), contact="me@example.org"), crawler, print)
    next(works)
    clock.now += 10
    slept = len(clock.slept)
    next(works)
    assert len(clock.slept) == slept


def test_the_user_agent_names_the_program_and_a_contact(library, tmp_path) -> None:
    settings = Librus(
        pages=(f"{library.url}/w/text_0010.shtml",), contact="me@example.org", cache=str(tmp_path / "c"), delay=0.2
    )
    assert len(list(librus.documents(settings, say=lambda line: None))) == 1
    [agent] = library.agents
    assert agent.startswith("MindInABox/")
    assert "+me@example.org" in agent


def test_a_moved_page_is_followed(library, crawler) -> None:
    library.put("/w/moved.shtml", "", status=301, headers={"Location": "/w/text_0010.shtml"})
    assert len(crawl(library, crawler, "/w/moved.shtml")[0]) == 1


def test_a_page_that_moves_for_ever_is_given_up(library, crawler) -> None:
    library.put("/w/loop.shtml", "", status=302, headers={"Location": "/w/loop.shtml"})
    found, said = crawl(library, crawler, "/w/loop.shtml")
    assert not found
    assert "loop.shtml: no answer" in said


def test_a_thousand_open_tags_are_no_trouble(library, crawler) -> None:
    library.put("/w/deep.shtml", WORK.replace("<dd>&nbsp;&nbsp; Шумело", "<i><div>" * 5000 + "Шумело"))
    [found], _ = crawl(library, crawler, "/w/deep.shtml")
    assert found.text.endswith("Шумело колесо.")


def test_what_is_no_address_is_a_sentence(library, crawler) -> None:
    settings = Librus(pages=("az.lib.ru/c/chehow_a_p/",), contact="me@example.org")
    with pytest.raises(CorpusError, match="is not an address; write one as"):
        list(librus.documents(settings, crawler))


def test_a_recipe_without_a_contact_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"corpus\.sources\.stories\.librus: .*contact is empty"):
        load(find("tiny"), ('corpus.sources.stories.librus={pages=["http://az.lib.ru/c/chehow_a_p/"]}',))
    with pytest.raises(RecipeError, match=r"librus\.contakt is not a key; did you mean contact"):
        load(find("tiny"), ('corpus.sources.stories.librus={contakt="me"}',))


def test_a_recipes_library_goes_into_the_corpus_without_its_notes(library, tmp_path, capsys) -> None:
    notes = (
        "<dd>ПРИМЕЧАНИЯ<dd>Впервые &mdash; &laquo;Нива&raquo;, 1887, № 3.<dd>Стр. 5. Колесо &mdash; мельничное.\n</div>"
    )
    library.put("/w/noted.shtml", WORK.replace("</div>", notes))
    pages = tuple(f"{library.url}/w/{name}.shtml" for name in ("noted", "text_0020"))
    settings = Librus(pages=pages, contact="me@example.org", cache=str(tmp_path / "cache"), delay=0.2)
    gather(Corpus(sources={"library": Source(librus=settings)}, val_fraction=0.5, near_duplicates=1), tmp_path)
    gathered = b"".join((tmp_path / f"{part}.jsonl").read_bytes() for part in ("train", "val")).decode()
    assert gathered.count("Вязов Пётр Ильич") == 2
    assert "Шумело колесо." in gathered
    assert "Нива" not in gathered
    assert "2 works" in (said := capsys.readouterr().out)
    assert "ПРИМЕЧАНИЯ" in said


def test_a_contact_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"librus: .*contact кот@example\.org has other letters than Latin ones"):
        load(find("tiny"), ("corpus.sources.stories.librus.contact=кот@example.org",))
