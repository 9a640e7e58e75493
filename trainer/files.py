"""Writing so that nothing is ever half written: beside the target, then renamed; and reading what a stage wrote."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import orjson

from trainer.errors import StageError


@contextmanager
def replacing(path: Path, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Open a file that takes the place of `path` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open(mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what killed processes left of `path`; what others are writing now stays."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        number = left.name.removesuffix(".partial").rpartition(".")[2]
        if number.isdecimal() and not _runs(int(number)):
            with suppress(OSError):
                left.unlink()


def _runs(process: int) -> bool:
    if os.name == "nt":  # where to ask is to kill, and where what is open cannot be removed
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another person's
        return True
    return True


@contextmanager
def replacing_all(*paths: Path) -> Iterator[list[IO[bytes]]]:
    """Open files that take the places of `paths` together: none does before the last byte of each is on the disk."""
    with ExitStack() as stack:
        files = [stack.enter_context(replacing(path)) for path in paths]
        yield files
        for file in files:
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `path` when the block ends well, and vanishes when it does not.

    A folder cannot be renamed over another: the old one steps aside for a moment, and `recovered` finds it there.
    """
    before, partial = _before(path), path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for file in partial.iterdir():
            with file.open("rb+") as written:
                os.fsync(written.fileno())
        if path.exists():
            shutil.rmtree(before, ignore_errors=True)
            path.rename(before)
        partial.rename(path)
        shutil.rmtree(before, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recovered(path: Path) -> Path:
    """Where the folder stands that `replacing_folder` wrote, even if it was killed between its two renames."""
    return path if path.exists() or not _before(path).exists() else _before(path)


def read_json(path: Path, stage: str, *keys: str) -> dict[str, Any]:
    """The JSON object that a stage wrote, with `keys` in it. StageError where it is missing, cut, or another."""
    try:
        values = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StageError(f"There is no {path}: run the {stage} stage first.") from error
    except orjson.JSONDecodeError as error:
        raise StageError(f"{path} is not JSON ({error}): run the {stage} stage again.") from error
    if not isinstance(values, dict):
        raise StageError(f"{path} is not a JSON object: run the {stage} stage again.")
    if missing := [key for key in keys if key not in values]:
        raise StageError(f"{path} says nothing of {missing[0]}: run the {stage} stage again.")
    return values


def _before(path: Path) -> Path:
    return path.with_name(f".{path.name}.before")
