"""The minds that come with the project are what the manifest says, and compute what their maker saw."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from chat_app import selftest
from chat_app.integrity import verify
from chat_app.mind import open_mind
from chat_app.weights import Weights

ASSETS = Path(__file__).parents[2] / "assets"
MANIFEST = tomllib.loads((ASSETS / "manifest.toml").read_text("utf-8"))


def test_the_manifest_lists_every_mind_and_the_default_is_one_of_them() -> None:
    assert {entry["file"] for entry in MANIFEST["mind"]} == {path.name for path in ASSETS.glob("*.mind")}
    assert MANIFEST["default"] in {entry["file"] for entry in MANIFEST["mind"]}


@pytest.mark.parametrize("entry", MANIFEST["mind"], ids=lambda entry: entry["file"])
def test_a_mind_is_what_the_manifest_says_and_answers_as_torch_did(entry) -> None:
    mind = open_mind(ASSETS / entry["file"])
    verify(mind)
    assert selftest.run(mind, Weights.from_mind(mind)) < 1e-4
    assert len(mind.golden) >= 3
    assert entry["sha256"] == mind.sha256
    assert entry["size"] == mind.path.stat().st_size < 96e6
    for key in ("title", "licence", "recipe", "parameters"):
        assert entry[key] == mind.card[key], key
    assert entry["figures"] == mind.card["figures"]
