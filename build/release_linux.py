"""Makes a release in an old Debian, so that its boxes start on old Linuxes, too: `nox -s release_linux`.

`python build/release_linux.py [--debian 11] [WORDS of build/release.py, such as nuitka or --mind PATH]`. The first run
makes a chroot and, except in Debian 12, compiles its Python: minutes; later ones take what `nox -s release` takes.
Needs nothing installed; knows chroots, nothing of boxes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import debian
import revision

ROOT: Final = Path(__file__).resolve().parent.parent
DIST: Final = ROOT / "dist"
PROJECT: Final = "/root/project"  # inside
# Under a name of its own, because the chroot's package ca-certificates writes the usual one anew.
AUTHORITIES: Final = "etc/authorities.crt"
EMULATED: Final = "30"  # times: a foreign processor is played by qemu, and how fast a box starts there tells nothing
CERTIFICATES: Final = ("etc/ssl/certs/ca-certificates.crt", AUTHORITIES)


def checked_out(root: Path) -> None:
    """Put the last commit into the chroot: what is not committed is not released."""
    inside = root / PROJECT[1:]
    if not inside.is_dir():
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, inside], check=True)
    subprocess.run(["git", "fetch", "--quiet", "origin", "HEAD"], cwd=inside, check=True)
    subprocess.run(["git", "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"], cwd=inside, check=True)
    subprocess.run(["git", "clean", "--quiet", "--force", "-d"], cwd=inside, check=True)


def connected(root: Path, machine: Path = Path("/")) -> None:
    """Tell the chroot how this machine reaches others: by which names, through which registries, trusting whom."""
    for name, inside in (("etc/resolv.conf", "etc/resolv.conf"), ("etc/pip.conf", "etc/pip.conf"), CERTIFICATES):
        if (machine / name).is_file():
            (root / inside).write_bytes((machine / name).read_bytes())


def words(given: list[str]) -> tuple[list[str], list[str]]:
    """The words for build/release.py with the mind's path as it is inside, and the mounts that the chroot needs."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--mind", type=Path)
    options, rest = parser.parse_known_args(given)
    terminals = "-t devpts -o newinstance,ptmxmode=0666 devpts dev/pts"  # in which start-up is measured
    mounts = ["-t proc proc proc", terminals, "-t tmpfs -o mode=1777 tmpfs tmp", f"--bind '{DIST}' {PROJECT[1:]}/dist"]
    if options.mind is None:
        return rest, mounts
    folder = options.mind.resolve().parent
    return [*rest, "--mind", f"/mind/{options.mind.name}"], [*mounts, f"-o bind,ro '{folder}' mind"]


def environment() -> dict[str, str]:
    """What is said inside besides a PATH."""
    passed = ("SOURCE_DATE_EPOCH", "SIGN_COMMAND", "PIP_DEFAULT_TIMEOUT", "PIP_INDEX_URL", "HTTPS_PROXY")
    told = {name: os.environ[name] for name in passed if name in os.environ}
    known = {"HOME": "/root", "PATH": "/opt/python/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    certificates = {"PIP_CERT": f"/{AUTHORITIES}"} if Path("/", CERTIFICATES[0]).is_file() else {}
    return known | certificates | told


def main() -> None:
    """Prepare what is missing, then release inside. SystemExit with its exit code, or with what this machine lacks."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--debian", choices=debian.SUITES, default="11", help="default: %(default)s")
    parser.add_argument(
        "--arch", choices=["amd64", "arm64"], default=debian.processor(), help="default: this machine's"
    )
    options, rest = parser.parse_known_args()
    if lacking := debian.missing(options.arch):
        sys.exit("\n".join(lacking))
    if unsaved := revision.unsaved():
        print(f"{len(unsaved)} files differ from the commit; the commit is what is released.")
    root = debian.writable(options.debian, options.arch, "release")
    connected(root)
    script = (ROOT / "build" / "debian_python.sh").read_text("utf-8")
    told = environment()
    prepare = ["sh", "-c", script, "debian_python.sh", debian.MIRROR, debian.SUITES[options.debian]]
    if debian.run(root, prepare, mounts=["-t proc proc proc"], environment=told, network=True):
        sys.exit("The Python of the old Debian was not made. What stands above says why.")
    checked_out(root)
    DIST.mkdir(exist_ok=True)
    given, mounts = words(rest)
    if options.arch != debian.processor():
        given = ["--patience", EMULATED, *given]
    nox = f'cd {PROJECT} && exec nox --reuse-venv=never -s release -- "$@"'
    told["PYINSTALLER_COMPILE_BOOTLOADER"] = "1"
    sys.exit(debian.run(root, ["sh", "-c", nox, "nox", *given], mounts=mounts, environment=told, network=True))


if __name__ == "__main__":
    main()
