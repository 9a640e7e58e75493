"""What a friend does with a box, on a machine that has nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import minds
import pytest

from chat_app import __version__
from chat_app.box import MAGIC

if TYPE_CHECKING:
    from conftest import Box

if sys.platform != "win32":
    import pexpect

SCRIPT = "/max_tokens 50\nКот\n/quit\n"
unix = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def talk(box: Box, *arguments: str) -> pexpect.spawn:
    """The box in a pseudo-terminal, at its prompt."""
    terminal = pexpect.spawn(
        str(box.path), [*arguments, "--lang", "ru"], env=box.environment(), cwd=str(box.around),
        encoding="utf-8", timeout=30, dimensions=(40, 120),
    )  # fmt: skip
    terminal.expect_exact("Mind in a Box")
    terminal.expect_exact("›")
    return terminal


def test_it_starts_in_an_empty_environment(box: Box) -> None:
    done = box.run("--version", bare=True)
    assert (done.returncode, done.stdout) == (0, f"mind-in-a-box {__version__}\n")


def test_this_machine_computes_what_the_maker_saw(box: Box) -> None:
    done = box.run("--selftest", "--verify", bare=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_a_pipe_gets_one_line_an_answer_and_nothing_else(box: Box) -> None:
    done = box.run(said=SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.strip()
    assert "max_tokens = 50" in done.stderr
    assert "токенов" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_seed_says_the_same_in_every_run(box: Box) -> None:
    first, second = (box.run("--prompt", "Кот", "--seed", "7", "--max-tokens", "20").stdout for _ in range(2))
    assert first == second
    assert first.strip()


@unix
def test_it_talks_in_a_terminal(box: Box) -> None:
    terminal = talk(box)
    terminal.sendline("/max_tokens 20")
    terminal.expect_exact("max_tokens = 20")
    terminal.expect_exact("›")
    terminal.sendline("Кот")
    terminal.expect_exact("›")
    terminal.sendline("/stats")
    terminal.expect("прочитано токенов: [1-9]")
    terminal.sendline("/quit")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@unix
def test_interrupting_an_answer_does_not_end_the_box(box: Box, tmp_path: Path) -> None:
    endless = minds.scripted_mind(tmp_path / "endless.mind", endless=True, max_tokens=1_000_000)
    terminal = talk(box, str(endless))
    terminal.sendline("Привет")
    terminal.expect_exact("друг")
    terminal.sendintr()
    terminal.expect_exact("[остановлено]")
    terminal.expect_exact("›")
    assert terminal.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=7) == 0  # some packers' outer process kills later
    terminal.sendline("/quit")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere, Windows has no such home"
)
def test_a_read_only_home_costs_no_word(box: Box, tmp_path: Path) -> None:
    (tmp_path / "дом").mkdir(mode=0o500)
    env = {**box.environment(), "HOME": str(tmp_path / "дом"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [box.path], input=SCRIPT, env=env, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1


@unix
def test_a_home_that_is_no_folder_costs_no_word(box: Box, tmp_path: Path) -> None:
    env = {**box.environment(), "HOME": "/dev/null", "TMPDIR": str(tmp_path)}  # where the conversation goes then
    done = subprocess.run(
        [box.path], input=SCRIPT, env=env, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1


def test_it_tells_the_terms_of_all_that_is_inside(box: Box) -> None:
    done = box.run("--lang", "en", said="/license\n/license all\n/quit\n")
    assert "/license all" in done.stderr
    for word in ("Mind in a Box", "Python", "GCC RUNTIME LIBRARY EXCEPTION", "prompt_toolkit", "waitress", "zlib"):
        assert word in done.stderr, word
    assert "PyInstaller" in done.stderr or "Nuitka" in done.stderr


def test_it_opens_a_mind_given_first(box: Box, chatting: Path) -> None:
    done = box.run(chatting, "--prompt", "Привет")
    assert (done.returncode, done.stdout) == (0, minds.ANSWER_TEXT + "\n"), done.stderr


def test_it_opens_another_box(box: Box) -> None:
    other = box.around / f"чужая коробка{box.path.suffix}"
    other.write_bytes(box.path.read_bytes())
    own, others = (
        box.run(*mind, "--prompt", "Кот", "--seed", "7", "--max-tokens", "9") for mind in ((), ("--mind", other))
    )
    assert others.returncode == 0, others.stderr
    assert own.stdout == others.stdout


def test_what_is_no_mind_is_refused_in_a_sentence(box: Box, tmp_path: Path) -> None:
    (tmp_path / "письмо.txt").write_text("Это письмо.", "utf-8")
    done = box.run(tmp_path / "письмо.txt")
    assert done.returncode == 1
    assert "нет разума" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_mind_is_never_unpacked_and_nothing_is_left_behind(one_file: Box) -> None:
    largest = 30_000_000  # OpenBLAS is the largest of what may be unpacked
    running = subprocess.Popen(
        [one_file.path], env=one_file.environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert running.stdin
        assert running.stderr
        running.stdin.write(b"/stats\n")
        running.stdin.flush()
        running.stderr.readline()  # it talks, so all that it unpacks is there
        unpacked = [path for path in one_file.temp.rglob("*") if path.is_file()]
        assert unpacked
        for path in unpacked:
            assert path.stat().st_size < largest
            assert MAGIC not in path.read_bytes()
    finally:
        running.communicate(b"/quit\n", timeout=30)
    assert not list(one_file.temp.iterdir())
