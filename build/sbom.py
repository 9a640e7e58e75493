"""Describes what is frozen in a box as a CycloneDX document: libraries, their parts, Python, packer, mind.

Knows the format and what a build froze; whatever the environment holds besides is not in it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import frozen
import licences
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from chat_app import __version__
from chat_app.mind import Mind

_NAMESPACE: Final = uuid.UUID("6b3c1c0e-7c0c-4f0e-9d1b-6d696e642121")
# Where a distribution says it in words of its own, or not at all.
_SPDX: Final = {
    # SPDX knows no name of the exception by which Nuitka's runtime may be passed on in any program.
    "Nuitka": "AGPL-3.0-only WITH AdditionRef-Nuitka-Runtime-Library-Exception-1.0",
    "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception",
    "prompt_toolkit": "BSD-3-Clause", "segno": "BSD-3-Clause", "waitress": "ZPL-2.1", "wcwidth": "MIT",
}  # fmt: skip
_LICENCES: Final = LicenseFactory()


@dataclass(frozen=True, slots=True)
class Build:
    """One build: the name that its files share, its packer, the mind it carries, its commit and time stamp."""

    stem: str
    packer: str
    mind: Mind
    commit: str
    moment: int


def document(build: Build, entries: list[frozen.Entry]) -> str:
    """The document as JSON, the same for the same build."""
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{build.stem} {build.commit} {build.mind.sha256}"))
    bom.metadata.timestamp = datetime.fromtimestamp(build.moment, UTC)
    root = bom.metadata.component = Component(
        name=build.stem, version=__version__, type=ComponentType.APPLICATION, bom_ref=build.stem,
        licenses=[_licence("MIT")], properties=[Property(name="commit", value=build.commit)],
    )  # fmt: skip
    parts = [_mind(build.mind), _packer(build.packer), *_libraries(entries)]
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(root, parts)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _mind(mind: Mind) -> Component:
    return Component(
        name=mind.title, version=mind.sha256[:12], type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref="mind",
        licenses=[_licence(str(mind.card["licence"]))], properties=[Property(name="sha256", value=mind.sha256)],
    )  # fmt: skip


def _packer(packer: str) -> Component:
    name = licences.PACKERS[packer]
    return _distribution(name, "the loader or runtime of the packer, not the packer itself")


def _libraries(entries: list[frozen.Entry]) -> Iterable[Component]:
    owned = frozen.owners(entries)
    names = sorted({name for name in owned.values() if name not in ("", frozen.OWN, frozen.PYTHON)}, key=str.lower)
    for name in names:
        part = _distribution(name)
        for entry in entries:
            if owned[entry] == name and entry.source.parent.name.endswith(".libs"):
                part.components.add(_file(entry))
        yield part
    yield Component(
        name=frozen.PYTHON, version=platform.python_version(), type=ComponentType.PLATFORM, bom_ref=frozen.PYTHON,
        licenses=[_licence("PSF-2.0")], cpe=f"cpe:2.3:a:python:python:{platform.python_version()}:*:*:*:*:*:*:*",
    )  # fmt: skip
    yield from (_file(entry) for entry in entries if owned[entry] == "" and entry.is_library)


def _distribution(name: str, description: str | None = None) -> Component:
    about = importlib.metadata.metadata(name)
    version = importlib.metadata.version(name)
    said = [about[key] for key in ("License-Expression", "License") if key in about]
    told = _SPDX.get(name) or next(iter(said), "see THIRD_PARTY_LICENSES.txt")
    purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
    return Component(
        name=name, version=version, type=ComponentType.LIBRARY, bom_ref=str(purl), purl=purl,
        description=description, licenses=[_licence(told.partition("\n")[0])],
    )  # fmt: skip


def _file(entry: frozen.Entry) -> Component:
    digest = hashlib.sha256(entry.source.read_bytes()).hexdigest()
    return Component(
        name=Path(entry.name).name, type=ComponentType.FILE, bom_ref=f"file:{entry.name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )  # fmt: skip


def _licence(told: str) -> License:
    return _LICENCES.make_from_string(told, license_acknowledgement=LicenseAcknowledgement.DECLARED)
