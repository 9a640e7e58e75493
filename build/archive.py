"""Packs a folder into one file that is the same bytes whenever it is made, run bits and links kept.

Knows .tar.gz and .zip; knows nothing of what is inside.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Final

LEVEL: Final = 1  # weights hardly shrink, whatever the effort


def pack(folder: Path, path: Path, inside: str, moment: int) -> None:
    """Pack `folder` under the name `inside`; every time stamp says `moment`."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as file:
            for member in sorted(folder.rglob("*")):
                _zip(file, member, f"{inside}/{member.relative_to(folder).as_posix()}", moment)
        return

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime, member.mode = moment, _mode(member.mode)
        return member

    with (
        path.open("wb") as target,
        gzip.GzipFile("", "wb", LEVEL, target, mtime=moment) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        tar.add(folder, inside, filter=plain)  # in the order of names


def _mode(mode: int) -> int:
    """Either everyone may run it or nobody, whatever the builder's umask was."""
    return 0o755 if mode & stat.S_IXUSR else 0o644


def _zip(file: zipfile.ZipFile, member: Path, name: str, moment: int) -> None:
    info = zipfile.ZipInfo(name, time.gmtime(moment)[:6])
    info.create_system = 3  # Unix: the modes count
    if member.is_symlink():
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, member.readlink().as_posix())
    elif member.is_file():
        info.external_attr = (stat.S_IFREG | _mode(member.stat().st_mode)) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        with member.open("rb") as source, file.open(info, "w", force_zip64=True) as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)
