"""Twenty invented works in tests/train/apparatus, each line labelled: `= ` prose, `- ` apparatus, `~ ` prose with
apparatus inside. The works from UNSEEN on were first tried when the cleaners stood (97.66 % removed, no prose lost);
what they missed then was left as it is. Their lines without the headings did shape `notes_without_heading`."""

from __future__ import annotations

import difflib
import io
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from chat_app.text import normalise
from trainer.corpora import apparatus, letters, sections, within_lines
from trainer.corpora.cleaning import CLEANERS, Report, clean
from trainer.corpora.gather import gather
from trainer.sections import Corpus, Source

WORKS = sorted((Path(__file__).parent / "apparatus").glob("*.txt"))
UNSEEN = 14


@dataclass
class Score:
    prose: int = 0
    apparatus: int = 0
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        removed = 1 - len(self.left) / self.apparatus
        return (
            f"{removed:.2%} of {self.apparatus} apparatus lines removed,"
            f" {len(self.lost) / self.prose:.2%} of {self.prose} prose lines lost"
        )

    def add(self, path: Path) -> None:
        rows = [line.partition(" ")[::2] for line in path.read_text("utf-8").splitlines()]
        assert {label for label, _ in rows} <= set("=-~"), path
        before = [normalise(text) for _, text in rows]
        after = clean("\n".join(before)).split("\n")
        same = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        kept = {i for block in same for i in range(block.a, block.a + block.size)}
        for i, ((label, _), text) in enumerate(zip(rows, before, strict=True)):
            if not text:
                continue
            if label == "-":
                self.apparatus += 1
                self.left += [text] * (i in kept)
            else:
                self.prose += 1
                found = i in kept if label == "=" else any(shortened(text, line) for line in after)
                self.lost += [text] * (not found)


def shortened(text: str, line: str) -> bool:
    """Whether `line` is `text` with some characters left out, but most of them kept."""
    letters = iter(text)
    return len(text) > len(line) > 0.5 * len(text) and all(c in letters for c in line)


def scored(works: list[Path]) -> Score:
    score = Score()
    for path in works:
        score.add(path)
    return score


@pytest.mark.parametrize(("name", "works"), [("seen", WORKS[:UNSEEN]), ("unseen", WORKS[UNSEEN:]), ("all", WORKS)])
def test_apparatus_goes_and_prose_stays(name, works, capsys) -> None:
    score = scored(works)
    with capsys.disabled():
        print(f"\n{name}: {score}")
    assert len(score.left) <= 0.05 * score.apparatus, score.left
    assert len(score.lost) <= 0.005 * score.prose, score.lost
    if name == "all":
        assert len(WORKS) == 20
        assert score.prose + score.apparatus >= 1500


def goes(cleaner, *lines: str) -> None:
    """Each line goes, between two lines of prose that stay."""
    for line in lines:
        assert cleaner(f"Он вошел.\n{line}\nОна встала.") == "Он вошел.\nОна встала.", line


def stays(cleaner, *texts: str) -> None:
    for text in texts:
        assert cleaner(text) == text


def test_a_word_cut_at_the_end_of_a_line_is_joined() -> None:
    assert (
        within_lines.hyphenation("Он при-\nшел и что-\nто из-\nменил кое-\nкому по-\nрусски")
        == "Он пришел и что-то изменил кое-кому по-русски"
    )
    stays(within_lines.hyphenation, "двух- и трехэтажные", "Он сказал: —\nнет", "Иван-\nЦаревич")


def test_the_digitisers_take_their_names_along() -> None:
    goes(
        apparatus.credits_of_the_digitisers,
        "OCR Иванов И. И.", "Spellcheck: А. Н.", "-----------", "http://example.org/a.txt", "Пишите: me@example.org",
    )  # fmt: skip
    stays(
        apparatus.credits_of_the_digitisers, "— — —", "* * *", "Дата была неизвестна.", "Сканируя горизонт, он молчал."
    )


def test_what_stood_in_the_manuscript_goes() -> None:
    goes(
        apparatus.textological_notes,
        "Было начато: Тогда он", "Вместо: вошел — было: вбежал", "26 Вместо: вошел // вбежал",
        "а Далее вычеркнуто: и сел",
        "12—14 вошел / вбежал", "После слов: он вошел — вписано: тихо", "Далее текст утрачен.", "3 Слово нрзб.",
        "7 Зач.: и заплакал",
    )  # fmt: skip
    stays(
        apparatus.textological_notes,
        "Вместо ответа он кивнул: иди.", "Было это на святках. Он вошел, и лицо его было: полотно.",
        "Далее: поля и поля.",
        "После: тишина.", "Было начато дело о порубке.", "Слово его было крепко: сказал — сделал.",
    )  # fmt: skip


def test_where_a_manuscript_lies_goes() -> None:
    goes(
        apparatus.archive_codes,
        "Автограф — ЦГАЛИ, ф. 571, оп. 1, ед. хр. 20.", "Копия хранится в ИРЛИ.", "Письмо к Н. Н. (ГПБ).", "ГБЛ.",
    )  # fmt: skip
    stays(apparatus.archive_codes, "— Поди в ЦГАЛИ, ф. 5 спроси.", "Он служил в архиве, в отделе рукописей.", "ПДОЛ")
    text = "Об этом он писал брату (ЦГАЛИ, ф. 571), и не раз."
    assert within_lines.archive_codes_within_lines(text) == "Об этом он писал брату, и не раз."


def test_when_it_was_written_and_printed_goes() -> None:
    goes(
        apparatus.writing_history,
        "Впервые — «Нива», 1887, № 3. Подпись: П. В.", "Печатается по тексту сборника.", "Датируется по содержанию.",
        "Вошло в сборник «Тени».", "При жизни автора переводилось на чешский язык.", "Написано в апреле 1887 г.",
        "Черновой автограф не сохранился.", "Рассказ впервые напечатан в «Ниве».", "Цензурное разрешение 3 мая.",
    )  # fmt: skip
    stays(
        apparatus.writing_history,
        "Впервые он увидел море.", "Впервые — слезы грозовые.", "Вошла в комнату барыня.", "Печатается всякий вздор!",
        "Повесть была написана чрезвычайно чувствительно.", "Написано было неразборчиво.", "Подпись: Иван Иванов.",
    )  # fmt: skip


def test_entries_of_abbreviations_and_indexes_go() -> None:
    goes(
        apparatus.abbreviations,
        "ГМТ — Государственный музей Л. Н. Толстого (Москва).", "Вязов — П. И. Вязов. Собрание сочинений, т. 1.",
        "ЦГАЛИ — архив.",
    )  # fmt: skip
    stays(apparatus.abbreviations, "ИВАН — сторож в музее.", "ЛИЗА — племянница.", "Архив — дело темное.")
    goes(
        apparatus.people_explained,
        "Ольхин Иван Ильич (1803—1859) — поэт.", "Лейкин Н. А. — 12, 46—48.",
        "Щеглов (Леонтьев), Иван Леонтьевич — 175, 176.",
    )  # fmt: skip
    stays(apparatus.people_explained, "Налево — 3, направо — 4.", "Иванов — 25.", "— Помните (1812) — год?")


def test_lines_dense_with_volumes_and_pages_go() -> None:
    goes(
        apparatus.bibliography,
        "См.: Звенья, вып. IX. М., 1951, с. 290.", "* «Телескоп», 1835, ч. XXVI, № 7, с. 34.",
        "Там же, т. 2, стр. 41.",
    )  # fmt: skip
    stays(
        apparatus.bibliography,
        "20 июня. Читал «Вестник» за прошлый год, № 3, статью о холере.", "— Смотри, т. 2, с. 41!",
        "№ 7, палата для беспокойных, опять без дров.", "В 1812 году их было 40.",
    )  # fmt: skip


def test_comments_to_a_page_go() -> None:
    goes(apparatus.page_references, "Стр. 13. …велика и обильна… — слова летописи.", "С. 7, 9. Там же.", "К стр. 45")
    stays(apparatus.page_references, "Ст. 1. Права членов Союза.", "С. ушел.", "Страница первая", "с. Покровское")


def test_footnotes_go_and_lists_and_dates_stay() -> None:
    goes(
        apparatus.footnotes,
        "1 Прощайте! (франц.)", "мой дорогой (фр.).", "[3] См. выше.", "* Особый род повозки.",
        "5 Волость — часть уезда.",
        "** Черт возьми! (нем.)", "1 Иванов, сосед.\n2 Петров, другой сосед.",
    )  # fmt: skip
    stays(
        apparatus.footnotes,
        "12 человек сидело у костра.", "3 мая приехали.", "* * *", "1. Чай. 2. Сахар.", "1) Вымыть стены.",
        "— Bonjour! (Смеется.)", "5 Августа выехали.",
    )  # fmt: skip


def test_marks_that_interrupt_a_sentence_go() -> None:
    for text, expected in (
        ("Он выпил чаю [12] и вышел1.", "Он выпил чаю и вышел."),
        ("— Adieu! [прощайте (франц.)] — сказал он.", "— Adieu! — сказал он."),
        ("Паволока {Парча.} блестела*.", "Паволока блестела."),
        ("Достал план (см. стр. 14) и циркуль.", "Достал план и циркуль."),
    ):
        assert within_lines.marks_within_lines(text) == expected
    stays(
        within_lines.marks_within_lines,
        "В городе Р** жила К***.", "<1898>", "* * *", "к20 августа", "Он [шепотом] сказал.", "(Смеется.)", "№ 12",
    )  # fmt: skip
    assert within_lines.conjecture_brackets("дек<абря>, гор[од]<,> да") == "декабря, город, да"


SECTION = (
    "Он ушел.\n\nПРИМЕЧАНИЯ\n\nВпервые — «Нива», 1887.\nСтр. 5. Пролетка — экипаж.\nОн много работал над текстом.\n"
)


def test_a_section_of_notes_goes_with_its_heading() -> None:
    assert sections.notes(SECTION).strip() == "Он ушел."
    assert sections.variants("Да.\nВАРИАНТЫ\n5 вошел / вбежал\nПосле: сел. — нет").strip() == "Да."
    assert sections.lists_of_abbreviations("Да.\nУсловные сокращения\nПР — «Прогресс»\nТ — «Труд»").strip() == "Да."
    assert sections.contents("Да.\nСОДЕРЖАНИЕ\nПаром … 5\nМельница … 12").strip() == "Да."


def test_prose_after_a_section_of_notes_stays() -> None:
    prose = "ГЛАВА ВТОРАЯ\nУтро было ясное.\nЕгор запряг лошадь.\nОни поехали."
    assert sections.notes(SECTION + prose).endswith(prose)


def test_a_chapter_that_is_only_called_notes_stays() -> None:
    stays(sections.notes, "Примечания\nОн любил примечания.\nИ читал их вслух.\n— Зачем? — спросила она.")
    stays(sections.variants, "Варианты\nЕхать или не ехать?\nОн думал до утра.")


def test_remarks_among_scholarly_lines_go_with_them() -> None:
    notes = "Впервые — «Нива», 1887, № 3.\nКритика молчала.\nПечатается по тексту журнала.\nСтр. 5. Так в рукописи."
    assert sections.notes_without_heading(f"Он ушел.\n{notes}\nОна встала.") == "Он ушел.\nОна встала."
    stays(sections.notes_without_heading, "", "Да.\nВпервые — «Нива», 1887.\nОн ушел.\nВпервые — «Нива», 1888.")


def test_an_addressee_above_a_letter_goes_and_a_dedication_stays() -> None:
    letter = "Милостивый государь!\nПишу Вам."
    for heading in (
        "А. С. Суворину\n", "12. А. С. СУВОРИНУ\n21 февраля 1886 г. Москва.\n", "М. В. Киселевой\n\n3 мая 1887 г.\n",
    ):  # fmt: skip
        assert letters.letter_headings(heading + letter) == letter
    assert letters.letter_headings(f"А. С. Суворину\n{letter}\nНа конверте: Петербург.\n") == letter + "\n"
    stays(
        letters.letter_headings,
        "И. И. ПУЩИНУ\nМой первый друг, мой друг бесценный", "А. С. Суворину понравилось.", "На конверте: Петербург.",
        letter,
    )  # fmt: skip


def test_foreign_signatures_and_addresses_go_and_foreign_speech_stays() -> None:
    goes(
        letters.foreign_signatures_and_addresses,
        "Paris, 50, rue de Douai.", "Monsieur A. Orloff, à Moscou, Russie.", "Votre tout dévoué\nJ. Olkhine",
        "16 octobre 1863.", "Schillerstrasse 277.",
    )  # fmt: skip
    stays(
        letters.foreign_signatures_and_addresses,
        "— Monsieur, dit-il, c'est la rue de Douai.", "C'est la vie.", "Vox clamantis in deserto", "J. W. Goethe",
        "To soar from earth, and find all fears",
        "Monsieur! vous me faites mal, 3", "«Rue de Rivoli, 5»",
    )  # fmt: skip


def test_page_numbers_go_and_chapters_and_years_stay() -> None:
    assert sections.page_numbers("а\n— 45 —\nб\n[46]\nв") == "а\nб\nв"
    assert sections.page_numbers("1812\nа\n145\nб\n146\nв\n148\nг") == "1812\nа\nб\nв\nг"
    stays(
        sections.page_numbers,
        "1\nа\n2\nб\n3\nв\n7\nг\n8\nд\n9\nе\n10\nж", "1\nа\n2\nб\n1\nв\n2",
        "(1906)", "<1898>", "— 45 — сказал он", "— 45.",
        "84\n736\n64\n524\n74",
    )  # fmt: skip


def test_cleaning_twice_is_cleaning_once() -> None:
    for path in WORKS:
        once = clean("\n".join(line[2:] for line in path.read_text("utf-8").splitlines()))
        assert clean(once) == once


def test_a_cleaner_is_fast_on_lines_of_any_length() -> None:
    for text in (
        "а" * 20_000,
        "1 " * 9_000,
        "[" * 20_000,
        "(стр. " * 9_000,
        "А. " * 9_000,
        "\n" * 20_000,
        "— " * 9_000,
    ):
        for cleaner in CLEANERS:
            started = time.process_time()
            cleaner(text)
            assert time.process_time() - started < 2, cleaner.__name__


def test_the_report_says_what_each_cleaner_removed() -> None:
    report = Report()
    clean(SECTION + "ГЛАВА ВТОРАЯ\nУтро [12] ясное.\nЕгор запряг.\nОни поехали.", report)
    notes, marks = report.cleaners["notes"], report.cleaners["marks_within_lines"]
    assert (notes.documents, notes.lines, notes.samples) == (1, 4, ["ПРИМЕЧАНИЯ"])
    assert (marks.lines, marks.characters, marks.samples) == (1, len(" [12]"), ["Утро [12] ясное."])
    assert not report.cleaners["footnotes"].documents
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(report.table())
    shown = console.export_text()
    assert "Утро [12] ясное." in shown
    assert "footnotes" not in shown


def test_the_recipe_decides_what_is_cleaned(tmp_path, capsys) -> None:
    text = "Он ушел в поле. " * 50 + "\n" + SECTION
    for i in range(4):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{i}.txt").write_text(f"{i} раз. {text}", "utf-8")
    for wish, kept in ((None, True), (False, True), (True, False)):
        source = Source(text=(str(tmp_path / "in"),), clean=wish)
        gather(
            Corpus(sources={"works": source}, val_fraction=0.3, near_duplicates=1, shared_with_held_out=1),
            tmp_path / "out",
        )
        assert ("ПРИМЕЧАНИЯ" in (tmp_path / "out" / "train.jsonl").read_text("utf-8")) == kept
        assert ("Editors' apparatus" in capsys.readouterr().out) == (wish is True)
