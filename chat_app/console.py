"""The streams that the program was given, and the console behind them: in UTF-8 whatever the system says.

Knows systems; knows nothing of minds.
"""

from __future__ import annotations

import atexit
import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any, Final, TextIO

from chat_app.errors import OutputClosed

_UTF8: Final = 65001  # Windows' number for it


def prepare() -> None:
    """UTF-8 in and out until the program ends, and no crash for a letter that cannot be shown."""
    if sys.stderr is None:  # closed; print(file=None) would put it among the answers
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")


def speak_utf8(kernel: Any = None) -> str:
    """Set a Windows console to UTF-8 until the program ends; the encoding it had, which piped bytes may be in.

    Empty on other systems. `kernel` is kernel32.
    """
    kernel = kernel or _kernel32()
    if kernel is None:
        return ""
    before = kernel.GetConsoleCP(), kernel.GetConsoleOutputCP()
    if not all(before):  # no console at all: the encoding of consoles that would be opened
        return f"cp{kernel.GetOEMCP()}"
    _set(kernel, _UTF8, _UTF8)
    atexit.register(_set, kernel, *before)
    return f"cp{before[0]}"


def _kernel32() -> Any:
    """Windows' own functions; None on other systems."""
    if sys.platform != "win32":
        return None
    import ctypes

    return ctypes.windll.kernel32


def _set(kernel: Any, for_input: int, for_output: int) -> None:
    kernel.SetConsoleCP(for_input)
    kernel.SetConsoleOutputCP(for_output)


def decode(raw: bytes, encoding: str = "") -> tuple[str, str]:
    """(the text of piped bytes, the encoding that it was in): UTF-8, else `encoding`.

    "" for the encoding says that it was in neither: what could not be read is U+FFFD.
    """
    for name in ("utf-8", encoding):
        try:
            return raw.decode(name), name
        except (UnicodeDecodeError, LookupError):  # LookupError: Python does not know this code page
            continue
    return raw.decode("utf-8", "replace"), ""


def closed(error: OSError) -> OutputClosed:
    """What to say where no more can be written. Windows calls a pipe that nobody reads an invalid argument."""
    if sys.platform == "win32" and error.errno == errno.EINVAL:
        error = BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    return OutputClosed(reason=error)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is there; a stream that the caller closed is None."""
    return stream is not None and stream.isatty()


def is_absent() -> bool:
    """Whether a desktop started us without one, so that nobody sees what is printed: its programs read from nowhere.

    A script that wants an answer to nothing takes it from a pipe.
    """
    if sys.platform in ("win32", "darwin") or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        nowhere = sys.stdin is None or os.path.samestat(os.fstat(sys.stdin.fileno()), Path(os.devnull).stat())
        output = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    return nowhere and not is_terminal(sys.stdout) and not stat.S_ISFIFO(output.st_mode)


def is_ours(processes: int = 1, kernel: Any = None) -> bool:
    """Whether the window closes with us: opened by a double-click rather than from a shell.

    We are so many `processes`; `kernel` is kernel32.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return False
    if (kernel := kernel or _kernel32()) is not None:
        import ctypes

        ids = (ctypes.c_uint32 * 4)()
        return bool(kernel.GetConsoleProcessList(ids, 4) <= processes)  # a shell would be one more
    leader = os.getsid(0)
    if leader == os.getpid():
        return True
    try:  # the outer process of a one-file box runs from the box itself
        outer = Path(f"/proc/{os.getppid()}/exe").readlink()
    except OSError:
        return False
    return leader == os.getppid() and outer.name == Path(sys.argv[0]).name
