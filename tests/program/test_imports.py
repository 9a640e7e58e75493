"""What the program imports, when, and without what it runs: what a box holds, and how soon its first line stands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import minds
import pytest

sys.path.insert(0, str(minds.ROOT / "build"))
import contents

import chat_app

MODULES = {
    ".".join(path.relative_to(minds.ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in Path(chat_app.__file__).parent.rglob("*.py")
}


def test_the_runtime_runs_without_torch_sentencepiece_and_trainer() -> None:
    program = f"import sys\nfor name in {sorted(MODULES)}: __import__(name)\nprint(*sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=minds.ROOT, check=True)
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    assert "numpy" in loaded
    assert not loaded & {"torch", "sentencepiece", "trainer", "safetensors", "pydantic", "typer", "rich"}
    assert "numpy.random" not in ended.stdout.split()


def imports(path: Path) -> set[str]:
    """What the statements of a module import, wherever they stand: all that a packer sees."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_a_packer_finds_every_module() -> None:
    reached: set[str] = set()
    waiting = ["chat_app.__main__"]
    while waiting:
        if (name := waiting.pop()) in MODULES and name not in reached:
            reached |= {name, name.rpartition(".")[0]}  # the package of a module comes with it
            waiting += imports(MODULES[name])
    assert reached == MODULES.keys()


def test_the_program_runs_without_what_a_box_leaves_out() -> None:
    """All that stands in the program, as the packers see it: nothing else is in a box."""
    program = (
        "import sys\n"
        "absent = sys.argv[1:]\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if any(name == left or name.startswith(left + '.') for left in absent): raise ImportError(name)\n"
        "for name in [name for name in sys.modules if name.partition('.')[0] in absent]: del sys.modules[name]\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"for name in {[*sorted(MODULES), 'webbrowser']}: __import__(name)\n"
        "from chat_app.web import face\n"
        "print(face.qr('http://127.0.0.1:80/#token=x'))"
    )
    command = [sys.executable, "-c", program, *contents.EXCLUDED]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=minds.ROOT, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) > 10


def test_the_page_is_packed_where_the_program_looks_for_it() -> None:
    from chat_app.web import page

    assert page._FILE.samefile(contents.PAGE)
    assert page._FILE.relative_to(minds.ROOT) == Path("chat_app/page.html")
    for recipe in ("build/pack_nuitka.py", "spec/box.spec"):
        assert "contents.PAGE" in (minds.ROOT / recipe).read_text("utf-8")


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="kernels are chosen by /proc/cpuinfo")
def test_the_program_chooses_matrix_kernels_before_it_reads_numpy() -> None:
    program = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numpy': print('chosen' if 'chat_app.blas' in sys.modules else 'too late')\n"
        "sys.meta_path.insert(0, Watch())\n"
        "sys.argv = ['mind-in-a-box', '--selftest']\n"
        "from chat_app.__main__ import main\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout.split("\n")[0] == "chosen", ended.stderr


def test_the_first_line_waits_for_nothing_heavy() -> None:
    program = "import sys, chat_app.__main__\nprint(*sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=minds.ROOT, check=True)
    assert not set(ended.stdout.split()) & {"numpy", "prompt_toolkit", "orjson", "socket"}


def test_nobody_waits_for_the_page_who_has_not_asked_for_it() -> None:
    program = (
        "import sys\nimport chat_app.__main__, chat_app.terminal, chat_app.pipe, chat_app.commands\n"
        "print(*sorted(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=minds.ROOT, check=True)
    assert not set(ended.stdout.split()) & {"bottle", "waitress", "segno", "webbrowser", "chat_app.web"}
