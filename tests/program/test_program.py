"""The program as a process: what goes in by a pipe, what comes out, and how it ends."""

from __future__ import annotations

import builtins
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import minds
import pytest

from chat_app import __version__, places
from chat_app.__main__ import main
from chat_app.box import MAGIC
from chat_app.errors import MindMissing

HELLO = minds.ANSWER_TEXT + "\n"


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": "", "LC_ALL": "C", places.VARIABLE: str(home), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "SYSTEMROOT": os.environ.get("SYSTEMROOT", ""),  # without it Windows starts few programs
    }  # fmt: skip


def program(
    *arguments: str | Path | bytes, environment: dict[str, str], given: bytes = b"", code: int = 0, **streams: object
) -> tuple[str, str]:
    """Run it; (answers, remarks), their lines ended as Python does. No traceback ever, and the exit code is `code`."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-m", "chat_app", *arguments]
    ended = subprocess.run(command, input=given, env=environment, cwd=minds.ROOT, timeout=20, check=False, **streams)  # type: ignore[call-overload]
    answers, remarks = ((data or b"").decode().replace(os.linesep, "\n") for data in (ended.stdout, ended.stderr))
    assert "Traceback" not in answers + remarks
    assert "Exception ignored" not in remarks
    assert ended.returncode == code, remarks
    return answers, remarks


def test_a_pipe_gets_an_answer_a_line_and_nothing_else(chatting: Path, environment: dict[str, str], home: Path) -> None:
    given = "Привет\n\n /max_tokens 2\nКак дела?\r\n/set temperature 0,7\n/card\n/quit\nэто уже не прочтут\n".encode()
    answers, remarks = program("--mind", chatting, given=given, environment=environment)
    assert answers == HELLO + "Привет,\n"
    for words in ("max_tokens = 2", "temperature = 0.7", "Name: Проба", "read 2", "the answer hit its limit"):
        assert words in remarks
    (saved,) = home.rglob("*.jsonl")
    assert "Как дела?" in saved.read_text("utf-8")
    assert "не прочтут" not in saved.read_text("utf-8")


def test_lines_that_are_not_utf8_are_answered_named_and_kept(
    chatting: Path, environment: dict[str, str], home: Path
) -> None:
    given = b"\xef\xbb\xbf/stats\nabc \xff\xfe def\n" + "целая строка".encode()
    answers, remarks = program(chatting, given=given, environment={**environment, "LC_ALL": "ru_RU.UTF-8"})
    assert answers == 2 * HELLO
    assert "Строка 2 не в UTF-8" in remarks
    assert "Разум ещё ничего не сказал" in remarks
    saved = next(home.rglob("*.jsonl")).read_text("utf-8")
    if sys.platform == "win32":  # where they are letters of the console's code page
        assert re.search('"abc .+ def"', saved)
    else:
        assert "abc \ufffd\ufffd def" in saved


def test_folders_with_cyrillic_names_work_whatever_the_locale(
    chatting: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    home, mind = tmp_path / "Иван Петрович" / "Данные", tmp_path / "Мой разум.mind"
    mind.write_bytes(chatting.read_bytes())
    answers, _ = program(mind, given="Дом\n".encode(), environment={**environment, places.VARIABLE: str(home)})
    assert answers == HELLO
    assert "Дом" in next((home / "conversations").glob("*.jsonl")).read_text("utf-8")


def test_a_reader_that_leaves_ends_it_with_the_code_of_the_shell(
    folder: Path, environment: dict[str, str], home: Path
) -> None:
    endless = minds.scripted_mind(folder / "endless.mind", ["а", "б"], chats=False, max_tokens=10**6)
    command = [sys.executable, "-m", "chat_app", str(endless), "--prompt", "Дом"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=minds.ROOT
    )  # fmt: skip
    assert running.stdout
    assert running.stderr
    assert running.stdout.read(10).decode() == "абабаб"[:5]
    running.stdout.close()
    remarks = running.stderr.read().decode().replace(os.linesep, "\n")
    running.stderr.close()
    assert running.wait(20) == 141
    assert remarks == "There is nowhere to write the answers (Broken pipe): stopping.\n"
    (saved,) = home.rglob("*.jsonl")
    assert '"абабаб' in saved.read_text("utf-8")
    assert '"finish":"cancelled"' in saved.read_text("utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_answers_that_find_no_room_end_it_with_a_sentence(
    chatting: Path, environment: dict[str, str], home: Path
) -> None:
    with Path("/dev/full").open("wb") as full:
        _, remarks = program(chatting, given=b"a\nb\n", environment=environment, stdout=full, code=141)
    assert remarks == "There is nowhere to write the answers (No space left on device): stopping.\n"
    assert '"content":"a"' in next(home.rglob("*.jsonl")).read_text("utf-8")
    with Path("/dev/full").open("wb") as full:
        _, remarks = program(chatting, "--verify", environment=environment, stdout=full, code=141)
    assert remarks == "There is nowhere to write the answers (No space left on device): stopping.\n"


@pytest.mark.parametrize(("descriptor", "code", "answers"), [(0, 0, ""), (1, 141, ""), (2, 0, HELLO)])
def test_a_stream_that_the_caller_closed_is_no_crash(
    chatting: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, descriptor: int, code: int,
    answers: str,
) -> None:  # fmt: skip
    command = [sys.executable, "-m", "chat_app", chatting]
    if sys.platform != "win32":
        closing = f'exec "$0" "$@" {descriptor}{"<" if descriptor == 0 else ">"}&-'
        command = ["/bin/sh", "-c", closing, *command]
    else:
        create = subprocess._winapi.CreateProcess

        def without(*given: object) -> object:
            setattr(given[-1], ("hStdInput", "hStdOutput", "hStdError")[descriptor], None)
            return create(*given)

        monkeypatch.setattr(subprocess._winapi, "CreateProcess", without)
    ended = subprocess.run(
        command, input="Дом\n".encode(), capture_output=True, env=environment, cwd=minds.ROOT, timeout=20, check=False
    )
    assert "Traceback" not in ended.stderr.decode()
    assert (ended.returncode, ended.stdout.decode().replace(os.linesep, "\n")) == (code, answers)


@pytest.mark.skipif(sys.platform == "win32", reason="its shells open no input for writing")
def test_an_input_that_cannot_be_read_is_a_sentence(
    chatting: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "written").open("wb") as written:
        ended = subprocess.run(
            [sys.executable, "-m", "chat_app", chatting], stdin=written, capture_output=True, env=environment,
            cwd=minds.ROOT, timeout=20, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.decode().startswith("There is nowhere to read lines from: Bad file descriptor.\n")


def test_version_and_help_need_no_mind(environment: dict[str, str]) -> None:
    assert program("--version", environment=environment)[0] == f"mind-in-a-box {__version__}\n"
    told = program("--lang", "ru", "--help", environment=environment)[0]
    assert "другая коробка" in told
    assert "Как запускать: mind-in-a-box" in told
    assert not re.search("usage|arguments|options|TEXT|PATH", told)
    assert "usage: mind-in-a-box" in program("--lang", "en", "--help", environment=environment)[0]


BAD_MINDS = {
    "missing": ("There is no mind at", "разума нет", 1),
    "foreign": ("carries no mind", "нет разума", 1),
    "truncated": ("is cut short", "оборван", 1),
    "damaged": ("is damaged", "повреждён", 1),
    "newer": ("Get a newer box", "Нужна коробка поновее", 1),
    "misfit": ("does not fit together", "не сходится", 1),
}


@pytest.mark.parametrize("kind", BAD_MINDS)
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_a_bad_mind_is_a_sentence_a_log_and_a_code(
    kind: str, lang: str, chatting: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{kind}.mind"
    whole = chatting.read_bytes()
    content = {
        "foreign": b"JFIF" * 100,
        "truncated": whole[:-100],
        "damaged": whole[:9] + b"!" + whole[10:],
        "newer": whole.replace(b'"mind/1"', b'"mind/9"'),
        "misfit": whole.replace(b"h.0.ln_1", b"h.7.ln_1"),
    }
    if kind in content:
        path.write_bytes(content[kind])
    english, russian, code = BAD_MINDS[kind]
    assert main([str(path), "--lang", lang]) == code
    answers, remarks = capsys.readouterr()
    assert answers == ""
    assert (russian if lang == "ru" else english) in remarks
    assert str(path) in remarks
    log = home / "last-error.log"
    assert str(log) in remarks
    assert "Traceback" in log.read_text("utf-8")
    assert "Traceback" not in remarks


def test_a_bad_mind_in_a_pipe_waits_for_nobody(environment: dict[str, str], tmp_path: Path) -> None:
    _, remarks = program(tmp_path / "none.mind", given=b"\n", environment=environment, code=1)
    assert remarks.startswith("There is no mind at")


def test_without_a_mind_it_says_how_to_give_one(environment: dict[str, str]) -> None:
    answers, remarks = program(environment=environment, code=2)
    assert answers == ""
    assert "carries no mind of its own" in remarks


def test_a_home_that_cannot_be_written_costs_neither_answer_nor_words(
    chatting: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    environment |= {places.VARIABLE: str(tmp_path / "file"), "TMPDIR": str(tmp_path / "tmp")}
    answers, remarks = program(chatting, given="Дом\nСад\n".encode(), environment=environment)
    assert answers == 2 * HELLO
    assert remarks.count("cannot be saved") == 1
    (saved,) = (tmp_path / "tmp").rglob("*.jsonl")
    assert str(saved) in remarks
    assert "Сад" in saved.read_text("utf-8")


# --- the last net, without a process ------------------------------------------------------------------------------


def test_wrong_arguments_are_a_usage_error_in_the_language_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--lang", "ru", "--bogus"], "Непонятно: --bogus. Смотри --help"),
        (["--lang=en", "--bogus"], "Unrecognized: --bogus. See --help"),
        (["--lang", "ru", "--seed"], "После --seed нужно значение."),
        (["--lang", "en", "--port"], "A value must follow --port."),
        (["--lang=ru", "--lang", "fr"], "--lang не может быть fr."),
        (["--lang", "en", "x.mind", "--max-tokens", "много"], "max_tokens cannot be много"),
        (["--lang", "en", "x.mind", "--seed", "-1"], "seed cannot be -1"),
        (["--lang", "fr"], "--help"),
        (["--lang", "ru", "a.mind", "--mind", "b.mind"], "a.mind и b.mind: оставь один"),
    ):
        assert main(arguments) == 2
        answers, remarks = capsys.readouterr()
        assert answers == ""
        assert words in remarks


def test_a_mistake_of_ours_is_a_sentence_and_a_log(
    chatting: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("chat_app.pipe.answer_once", broken)
    assert main([str(chatting), "--prompt", "a", "--lang", "en"]) == 70
    assert "The program broke down: ZeroDivisionError: oops" in capsys.readouterr().err
    assert "Traceback" in (home / "last-error.log").read_text("utf-8")


def test_a_log_that_cannot_be_written_leaves_the_reason_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(places.VARIABLE, str(tmp_path / "file"))
    assert main([str(tmp_path / "none.mind"), "--lang", "en"]) == 1
    remarks = capsys.readouterr().err
    assert "There is no mind at" in remarks
    assert "MindMissing" in remarks


def test_an_interrupt_ends_a_pipe_quietly(
    chatting: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chat_app.pipe.talk", interrupted)
    assert main([str(chatting)]) == 130
    assert capsys.readouterr().err == ""


def test_a_processor_that_numpy_refuses_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "numpy":
            raise RuntimeError("NumPy was built with baseline optimizations: (X86_V2)")
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert main(["x.mind", "--lang", "en"]) == 1
    assert "too old" in capsys.readouterr().err


def test_selftest_and_verify_tell_and_fail_by_their_codes(
    babbling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(babbling), "--selftest", "--verify", "--lang", "en"]) == 0
    told = capsys.readouterr().out
    assert "The mind is whole" in told
    assert "The selftest passed: 1 answers" in told
    data = bytearray(babbling.read_bytes())
    data[-3] ^= 0x7C  # the exponent of a weight of the last tensor
    damaged = tmp_path / "damaged.mind"
    damaged.write_bytes(data)
    assert main([str(damaged), "--verify", "--lang", "en"]) == 1
    assert main([str(damaged), "--selftest", "--lang", "en"]) == 3


def test_a_name_that_is_not_utf8_is_a_sentence(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert main(["--mind", "/tmp/x\udcff.mind", "--lang", "en"]) == MindMissing.exit_code
    assert "There is no mind at" in capsys.readouterr().err
    assert "MindMissing" in (home / "last-error.log").read_text("utf-8")


def test_a_pipe_answers_without_a_process_too(
    babbling: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        "/seed 1",
        "Дом",
        "/retry",
        "/undo",
        "/set top_p 9",
        "",
        "/max_tokens 3",
        "Дом",
        "река " * 99,
        "/quit",
        "x",
    ]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode()), "utf-8"))
    assert main([str(babbling), "--lang", "en"]) == 1
    answers, remarks = capsys.readouterr()
    assert [bool(line) for line in answers.splitlines()] == [True, True, True, False]  # the last has no answer
    assert "top_p cannot be 9" in remarks
    assert "Shorten the line" in remarks


def test_an_answer_leaves_the_rest_unsaid_when_nobody_listens(
    babbling: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def fileno(self) -> int:
            return os.open(os.devnull, os.O_WRONLY)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Дом\nСад\n".encode()), "utf-8"))
    monkeypatch.setattr(sys, "stdout", Gone())
    assert main([str(babbling), "--lang", "ru"]) == 141
    saved = next(home.rglob("*.jsonl")).read_text("utf-8")
    assert "Дом" in saved
    assert "Сад" not in saved
    assert '"finish":"cancelled"' in saved


def test_prompt_answers_once_with_the_lines_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = minds.scripted_mind(folder / "poem.mind", ["▁вода", "<0x0A>", "▁река"])
    assert main([str(path), "--prompt", "Стихи!", "--max-tokens", "9", "--lang", "en"]) == 0
    answers, remarks = capsys.readouterr()
    assert answers == "вода\n река\n"
    assert "wrote 3" in remarks
    assert main([str(path), "--prompt", "Стихи!", "--max-tokens", "2", "--lang", "en"]) == 0
    assert "for longer ones: --max-tokens 4" in capsys.readouterr().err


def test_a_prompt_that_is_not_utf8_is_answered_all_the_same(chatting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(chatting), "--prompt", "\udcff\udcfe"]) == 0
    assert capsys.readouterr().out == HELLO


def test_the_seed_on_the_command_line_makes_the_answer_the_same(
    babbling: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(seed: str) -> str:
        assert main([str(babbling), "--prompt", "Дом", "--seed", seed]) == 0
        return capsys.readouterr().out

    assert answer("1") == answer("1")
    assert len({answer(str(seed)) for seed in range(8)}) > 1


def test_another_box_opens_too(chatting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mind = chatting.read_bytes()
    path = tmp_path / "чужая коробка.exe"
    path.write_bytes(b"MZ" + os.urandom(1000) + mind + len(mind).to_bytes(8, "little") + MAGIC)
    assert main([str(path), "--prompt", "?"]) == 0
    assert capsys.readouterr().out == HELLO
    assert main(["--mind", str(path), "--verify", "--selftest"]) == 0
    assert "sha256" in capsys.readouterr().out


def test_a_mind_cannot_command_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = minds.scripted_mind(folder / "escape.mind", ["▁дом", "<0x1B>", "<0x5B>", "<0x32>", "<0x4A>"])
    assert main([str(path), "--prompt", "?"]) == 0
    assert capsys.readouterr().out == "дом[2J\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/set \x1b[2J 5\n?\n"), "utf-8"))
    main([str(path)])
    answers, remarks = capsys.readouterr()
    assert "\x1b" not in answers + remarks


def test_answers_go_on_when_nobody_hears_the_remarks(
    chatting: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Дом\n/stats\nСад\n".encode()), "utf-8"))
    monkeypatch.setattr(sys, "stderr", Gone())
    assert main([str(chatting)]) == 0
    assert capsys.readouterr().out == 2 * HELLO
