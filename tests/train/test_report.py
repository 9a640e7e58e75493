from __future__ import annotations

import bz2
import lzma
import math
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from trainer import figures, pretrain, vocabulary
from trainer import recipe as recipes
from trainer.__main__ import app
from trainer.errors import StageError
from trainer.report import baselines, captions, findings, page, panels
from trainer.report.numbers import Numbers

ROWS = [
    {
        "iteration": iteration, "train": 300 / iteration, "val": 320 / iteration, "bits_per_byte": 240 / iteration,
        "sources": {"stories": 230 / iteration, "<plays>": 260 / iteration}, "lr_ratio": 1 - iteration / 400,
        "tokens_per_second": 3000 + iteration, "memory_mb": 2100, "seconds": iteration,
    }
    for iteration in (100, 200, 300, 400)
]  # fmt: skip
STATE = {
    "iteration": 400, "max_iters": 400, "seconds": 6812.5, "parameters": 10_788_864, "tokens_per_iteration": 8192,
    "recent_loss": 1.0, "best_loss": 0.9, "best_iteration": 400, "curve": ROWS,
    "samples": [
        {"iteration": 100, "prompt": "Кот", "text": "Кот и </dd><script>alert(1)</script>"},
        {"iteration": 400, "prompt": "Кот", "text": "Кот гулял\x1f в лесу."},
    ],
}  # fmt: skip
COUNTS = {"documents": 9, "tokens": 1000, "characters": 3000, "bytes": 5400}
PART = {"documents": 9, "characters": 3000, "bytes": 5400}
EVERYTHING = {
    "corpus.json": {
        "seconds": 1.0,
        "sources": {
            name: PART | {"exact_duplicates": 7, "near_duplicates": 0, "overlap_with_held_out": 1, "val": PART}
            for name in ("stories", "<plays>")
        },
    },
    "vocabulary_report.json": {
        "kind": "bpe", "pieces": 8192, "characters_per_token": 3.4, "bytes_per_token": 6.1, "bytes_share": 0.0004,
        "unknown_share": 0, "longest": ["▁превосходительство"],
        "most_frequent": [[f"<u>{n}", 1000 // n] for n in range(1, 30)],
    },
    "tokens.json": {"train": {"stories": COUNTS}, "val": {"stories": COUNTS}},
    "baselines.json": {"bz2": 1.49, "xz": 1.7},
}  # fmt: skip


def write(folder, state=STATE, **files):
    (folder / "pretrain" / "last").mkdir(parents=True)
    (folder / "pretrain" / "last" / "state.json").write_bytes(orjson.dumps(state))
    for name, values in files.items():
        (folder / name).write_bytes(orjson.dumps(values))
    return folder


def page_of(folder, *changes: str) -> str:
    return page.page(recipes.load(recipes.find("tiny"), changes), "[mind] # <i>", findings.read(folder))


@pytest.fixture
def whole(tmp_path):
    return write(tmp_path, **EVERYTHING)


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    """The page of a whole run."""
    return page_of(write(tmp_path_factory.mktemp("told"), **EVERYTHING), 'mind.title="<img src=x>"')


def test_a_whole_run_is_told_in_every_section(html) -> None:
    for caption in (
        captions.STAGE["pretrain"],
        captions.EVOLUTION,
        captions.CORPUS,
        captions.VOCABULARY,
        captions.RECIPE,
    ):
        assert f"<h2>{caption('ru')}</h2>" in html
    assert "10,79 млн" in html
    assert "1 ч 54 мин" in html
    assert html.count("<svg") == 6
    assert "Кот</span> гулял в лесу." in html


def test_the_report_speaks_the_minds_language(whole) -> None:
    html = page_of(whole, "mind.language=en", "mind.title=Cat", "mind.description=d", "mind.training_data=t")
    assert '<html lang="en">' in html
    assert "10.79 M" in html
    assert set(re.findall("[а-яё]+", html.lower())) <= set(
        re.findall("[а-яё]+", orjson.dumps(STATE).decode().lower())
    ) | {"превосходительство"}


def test_every_caption_is_in_both_languages() -> None:
    found = [value for value in vars(captions).values() if isinstance(value, captions.Phrase)]
    found += [phrase for value in vars(captions).values() if isinstance(value, dict) for phrase in value.values()
              if isinstance(phrase, captions.Phrase)]  # fmt: skip
    assert len(found) > 40
    for phrase in found:
        assert re.search("[а-я]", phrase.ru, re.IGNORECASE)
        assert not re.search("[а-я]", phrase.en, re.IGNORECASE)
        assert set(re.findall(r"\{\w+\}", phrase.ru)) == set(re.findall(r"\{\w+\}", phrase.en))


def test_what_a_mind_or_its_maker_wrote_is_never_markup(html) -> None:
    for markup in ("<script>", "<img", "<plays>", "<u>1", "<i>"):
        assert markup not in html
    assert "&lt;/dd&gt;&lt;script&gt;" in html


def test_the_page_asks_nothing_of_any_other_address(html) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, never fetched
    assert not re.search(r"""(src|href)=["'](?!#)|@import|url\((?!#)""", html)


def test_the_pictures_take_their_colours_from_the_page(html) -> None:
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ET.fromstring(svg)
        assert "var(--series-0)" in svg
        assert not any(colour in svg for colour in (figures.INK, figures.MUTED, *figures.SERIES))


def test_no_two_pictures_share_an_id(html) -> None:
    ids = re.findall(r' id="([^"]+)"', html)
    assert ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("missing", EVERYTHING)
def test_a_missing_file_leaves_its_section_out(tmp_path, missing) -> None:
    html = page_of(write(tmp_path, **{name: values for name, values in EVERYTHING.items() if name != missing}))
    assert html.count("<h2>") == 5 - (missing in ("corpus.json", "vocabulary_report.json"))


def test_a_run_that_has_only_begun_has_a_report(tmp_path) -> None:
    state = {"iteration": 3, "max_iters": 10, "curve": [], "samples": [], "best_loss": None, "seconds": 1.0}
    write(tmp_path, state)
    page.make(recipes.load(recipes.find("tiny")), "", tmp_path, tmp_path)
    assert captions.RUNNING("ru", done=3, all=10) in (tmp_path / "report.html").read_text("utf-8")
    assert not (tmp_path / "report.png").exists()


def test_a_run_with_one_point_and_holes_has_a_report(tmp_path) -> None:
    curve = [
        {"iteration": 5, "train": None, "val": 2.0, "sources": {"a": None}},
        {"iteration": 6, "train": 1.5, "val": None},
    ]
    html = page_of(write(tmp_path, {**STATE, "curve": curve}))
    assert html.count("<svg") == 1


@pytest.mark.parametrize("key", [*ROWS[0], "iteration of samples", "text", "prompt"])
def test_rows_that_lack_a_key_have_a_report(tmp_path, key) -> None:
    def without(row: dict) -> dict:
        return {name: value for name, value in row.items() if name != key.removesuffix(" of samples")}

    curve, samples = ROWS, STATE["samples"]
    if key in ROWS[0]:
        curve = [without(ROWS[0]), *ROWS[1:3], without(ROWS[3])]
    else:
        samples = [samples[0], without(samples[1])]
    html = page_of(write(tmp_path, {**STATE, "curve": curve, "samples": samples, "config": {"n_layer": 7}}))
    assert html.count("<svg") == 5
    assert "слоёв 7, голов" in html


def test_no_run_at_all_is_a_sentence(tmp_path) -> None:
    with pytest.raises(StageError, match=r"There is no run in .* run the pretrain stage first\."):
        findings.read(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]"])
def test_a_broken_state_is_a_sentence(whole, content) -> None:
    (whole / "pretrain" / "last" / "state.json").write_bytes(content)
    with pytest.raises(StageError, match=r"state\.json is not .*run the pretrain stage again"):
        findings.read(whole)


def test_a_later_stage_gets_its_own_chapter(whole) -> None:
    (whole / "sft" / "last").mkdir(parents=True)
    (whole / "sft" / "last" / "state.json").write_bytes(orjson.dumps(STATE))
    found = findings.read(whole)
    assert [stage.name for stage in found.stages] == ["pretrain", "sft"]
    html = page_of(whole)
    assert html.count("<svg") == 11
    assert captions.STAGE["sft"]("ru") in html


def test_a_later_stage_is_measured_by_its_answers_and_not_by_the_corpus(whole) -> None:
    answers = {"parts": {"val": {"talk": COUNTS | {"tokens": 600}}, "train": {"talk": COUNTS}}}
    for place, values in (("sft/last/state.json", STATE), ("dialogues/dialogues.json", answers)):
        (whole / place).parent.mkdir(parents=True)
        (whole / place).write_bytes(orjson.dumps(values))
    found = findings.read(whole)
    of_text, of_answers = (page._outcome(stage, found, Numbers("en")) for stage in found.stages)
    bits = captions.BEST_BITS_CHARACTER("en")
    assert float(of_text[bits]) == pytest.approx(0.8 / math.log(2) * 1000 / 3000, abs=1e-3)
    assert float(of_answers[bits]) == pytest.approx(0.8 / math.log(2) * 600 / 3000, abs=1e-3)
    assert captions.EPOCHS("en") in of_text
    assert captions.EPOCHS("en") not in of_answers


def test_a_single_source_is_drawn_once() -> None:
    state = {"curve": [{**row, "sources": {"stories": 1.0}} for row in ROWS]}
    bits = next(p for p in panels.of_stage(findings.Stage("pretrain", state), {}, "en") if p.name == "bits")
    assert [line.label for line in bits.lines] == ["held out"]


def test_the_best_point_is_that_of_the_weights_that_are_kept() -> None:
    curve = [{"iteration": i, "val": val, "train": 1.0} for i, val in ((1, 2.0), (2, 1.5), (3, 1.6))]
    kept_last = findings.Stage("sft", {"curve": curve, "best_iteration": 3})
    assert kept_last.best == curve[2]
    assert panels.of_stage(kept_last, {}, "en")[0].mark == (3, 1.6)
    assert findings.Stage("kto", {"curve": curve, "best_iteration": 0}).best == {}  # none was within the budgets


def test_the_best_point_of_a_state_that_does_not_say_is_the_lowest_held_out_loss() -> None:
    curve = [{"iteration": i, "val": val, "train": 1.0} for i, val in ((1, 2.0), (2, 1.5), (3, 1.6))]
    loss = panels.of_stage(findings.Stage("pretrain", {"curve": curve}), {}, "en")[0]
    assert loss.mark == (2, 1.5)
    curve[2]["ema_val"] = 1.4
    averaged = findings.Stage("pretrain", {"curve": curve})
    assert panels.of_stage(averaged, {}, "en")[0].mark == (3, 1.4)  # by the better weights
    assert averaged.loss_at(2) == 1.5
    assert averaged.loss_at(7) == 1.4
    assert findings.Stage("pretrain", {"curve": curve}).loss_at(0) is None


def test_of_many_samples_the_telling_moments_are_shown() -> None:
    state = {"samples": [{"iteration": i, "prompt": p, "text": ""} for i in range(100, 10_001, 100) for p in "ab"]}
    shown = findings.Stage("pretrain", state).samples()
    assert {tuple(s["iteration"] for s in each) for each in shown.values()} == {(100, 300, 600, 1600, 4000, 10_000)}


def test_page_and_picture_have_one_palette() -> None:
    light = page._CSS.read_text("utf-8").partition("@media")[0]
    for colour, variable in figures._VARIABLES.items():
        assert f"--{variable}: {colour};" in light


def test_a_real_run_has_a_report(prepared, small, tmp_path) -> None:
    folder = shutil.copytree(prepared, tmp_path / "grown")
    baselines.make(folder)
    for _ in pretrain.prepare(small, folder, vocabulary.load(folder), device="cpu").go():
        pass
    html = page.page(small, "", findings.read(folder))
    assert captions.SHAPE("ru", **small.model.model_dump()) in html
    assert html.count("<svg") >= 5
    assert "bz2" in html


def test_a_compressor_is_measured_in_bits_a_byte_of_the_whole_text() -> None:
    texts = ["Дом стоял у реки. " * 50, "Старик выходил на крыльцо. " * 40]
    data = "".join(texts).encode()
    assert baselines.bits_per_byte(texts) == {
        "bz2": 8 * len(bz2.compress(data, 9)) / len(data),
        "xz": 8 * len(lzma.compress(data, preset=9)) / len(data),
    }
    with pytest.raises(StageError, match="no held-out text"):
        baselines.bits_per_byte([])


def test_labels_that_would_cover_each_other_move_apart() -> None:
    places = figures.spread([0.5, 0.52, 0.1, 0.99, 1.0], 0.08)
    assert np.argsort(places).tolist() == np.argsort([0.5, 0.52, 0.1, 0.99, 1.0]).tolist()
    assert np.diff(sorted(places)).min() >= 0.08 - 1e-9
    assert max(places) <= 1


def test_a_letter_that_the_font_lacks_is_no_warning() -> None:
    assert figures.drawable("дом 🏠\n") == "дом \ufffd¶"


def test_numbers_read_as_the_language_writes_them() -> None:
    russian, english = Numbers("ru"), Numbers("en")
    assert (russian.decimal(1234.5, 1), english.decimal(1234.5, 1)) == ("1\u202f234,5", "1,234.5")
    assert (english.large(999), english.large(1.5e6), english.large(2e9)) == ("999", "1.50 M", "2.00 B")
    assert (english.percent(0), english.percent(1e-7), english.percent(0.5)) == ("0%", "< 0.001%", "50.0%")
    assert (english.duration(5), english.duration(600), english.duration(3661)) == ("5 s", "10 min", "1 h 1 min")
    assert english.whole(None) == english.duration(None) == english.large(None) == english.percent(None) == ""
    assert math.isclose(float(english.decimal(2.125, 3)), 2.125)


def test_the_command_writes_a_page_and_a_picture(whole, tmp_path) -> None:
    (whole / "val.jsonl").write_bytes(orjson.dumps({"source": "stories", "text": "Дом стоял у реки. " * 30}) + b"\n")
    result = CliRunner().invoke(
        app, ["report", "tiny", "--out", str(whole), "--to", str(tmp_path / "to"), "--baselines"]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "to" / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "to" / "report.png").read_bytes().startswith(b"\x89PNG")
    assert orjson.loads((whole / "baselines.json").read_bytes())["bz2"] < 3


def test_kto_shows_how_far_the_mind_went_and_every_sample(tmp_path) -> None:
    rows = [
        row | {"kl": 0.001 * row["iteration"], "chosen": 1.0, "rejected": -2.0, "z_ref": 0.5, "gap": 3.0,
               "accuracy": 0.9, "loops": 1.5, "ended": 1.0}
        for row in ROWS
    ]  # fmt: skip
    samples = [{"iteration": i, "prompt": "привет", "text": f"Ответ номер {i}."} for i in range(1, 11)]
    for name, best in (("kto", 400), ("tiny-kto", 200)):
        (tmp_path / name / "last").mkdir(parents=True)
        state = STATE | {"curve": rows, "samples": samples, "best_iteration": best}
        (tmp_path / name / "last" / "state.json").write_bytes(orjson.dumps(state))
    found = findings.read(tmp_path)
    (stage,) = found.stages
    assert stage.name == "kto"
    assert {panel.name for panel in panels.of_stage(stage, {}, "ru")} >= {"kl", "rewards", "accuracy", "loops"}
    assert stage.best["iteration"] == 400
    assert findings.read(tmp_path, "tiny-kto").stages[0].best["iteration"] == 200
    html = page.page(recipes.load(recipes.find("tiny")), "", found)
    assert all(f"Ответ номер {i}." in html for i in range(1, 11))
    assert "KL" in html


def test_a_byte_order_mark_of_the_recipe_is_not_shown(whole, tmp_path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(recipes.find("tiny").read_text("utf-8"), "utf-8-sig")
    result = CliRunner().invoke(app, ["report", str(recipe), "--out", str(whole)])
    assert result.exit_code == 0, result.output
    assert "\ufeff" not in (whole / "report.html").read_text("utf-8")
