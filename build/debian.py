"""Small Debians in folders: made once by debootstrap, entered by chroot. Linux, as root. Knows nothing of boxes.

They are kept in out/debian: `minimal/11-amd64` has no Python and is only read; what is built in has a copy of its own.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).resolve().parent.parent / "out" / "debian"
MIRROR: Final = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
SUITES: Final = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
EMULATORS: Final = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}  # as Linux names them once they are installed
PROCESSORS: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}  # Linux's word: Debian's


def processor() -> str:
    """Debian's word for the processor at hand."""
    return PROCESSORS.get(platform.machine(), platform.machine())


def missing(
    architecture: str, which: Callable[[str], str | None] = shutil.which, user: int | None = None,
    emulators: Path = Path("/proc/sys/fs/binfmt_misc"),
) -> list[str]:  # fmt: skip
    """What this machine lacks for a Debian of `architecture`, each with the command that helps."""
    found = []
    if sys.platform != "linux":
        return ["Only Linux has chroots of Debian. The release workflow builds and tries boxes on all systems."]
    if (os.geteuid() if user is None else user) != 0:
        found.append("Only root may enter a chroot. Begin the command with: sudo env PATH=$PATH")
    for tool, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux")):
        if not which(tool):
            found.append(f"{tool} is missing. Install it: apt-get install {package}")
    if architecture != processor() and not (emulators / EMULATORS[architecture]).exists():
        found.append(
            f"Programs for {architecture} do not run here. Install: apt-get install qemu-user-static binfmt-support"
        )
    return found


def minimal(number: str, architecture: str) -> Path:
    """The folder of a Debian without Python, made unless it is there. CalledProcessError where the mirror fails."""
    root = HOME / "minimal" / f"{number}-{architecture}"
    if not root.is_dir():
        unfinished = root.with_name(f"{root.name}.unfinished")
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        words = ["--variant=minbase", f"--arch={architecture}", SUITES[number], str(unfinished), MIRROR]
        # In a mount namespace of its own, or debootstrap's /proc may stay mounted in the folder.
        subprocess.run(["unshare", "--mount", "debootstrap", *words], check=True)
        unfinished.rename(root)
    return root


def writable(number: str, architecture: str, purpose: str) -> Path:
    """A copy of the minimal one that may be changed, kept for the next time."""
    root = HOME / purpose / f"{number}-{architecture}"
    if not root.is_dir():
        unfinished = root.with_name(f"{root.name}.unfinished")
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", str(minimal(number, architecture)), str(unfinished)], check=True)
        unfinished.rename(root)
    return root


def script(root: Path, command: Iterable[str], mounts: Iterable[str], user: int = 0) -> str:
    """The shell script that mounts and enters; `mounts` are words of `mount`, with paths inside without their slash."""
    lines = ["set -e", "mount --make-rprivate /", f"cd {shlex.quote(str(root))}"]
    for mount in mounts:
        lines += [f"mkdir -p {shlex.quote(shlex.split(mount)[-1])}", f"mount {mount}"]
    lines.append(f"exec chroot --userspec={user}:{user} . {shlex.join(command)}")
    return "\n".join(lines)


def run(
    root: Path, command: Iterable[str], *, mounts: Iterable[str] = (), environment: Mapping[str, str] | None = None,
    user: int = 0, network: bool = False,
) -> int:  # fmt: skip
    """Run a command in there, in namespaces of its own that take mounts and processes with them; its exit code."""
    namespaces = ["--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
    entered = ["unshare", *namespaces, "sh", "-c", script(root, command, mounts, user)]
    inside = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **(environment or {})}
    return subprocess.run(entered, env=inside, check=False).returncode
