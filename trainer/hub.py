"""Datasets of the Hugging Face Hub, fetched once. Knows names and folders, reads no row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from trainer.errors import CorpusError, first_line
from trainer.rows import PACKINGS

_PATTERNS: Final = ("*.parquet", *(f"*{kind}{packing}" for kind in (".jsonl", ".txt") for packing in ("", *PACKINGS)))


def paths(texts: Sequence[str], dataset: str) -> list[Path]:
    """What a source is read from: its texts if it has any, which need no network, else its dataset, if it names one."""
    if texts:
        return [Path(text).expanduser() for text in texts]
    return [fetch(dataset)] if dataset else []


def fetch(dataset: str) -> Path:
    """The folder of a dataset `owner/name`, from the Hub or from the cache that huggingface_hub keeps.

    CorpusError where it is neither there nor within reach.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(dataset, repo_type="dataset", allow_patterns=list(_PATTERNS)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CorpusError(
            f"The dataset {dataset} cannot be fetched: {first_line(error)} Check its name and the network, or fetch it "
            "by hand and give its folder with --text NAME=FOLDER."
        ) from error
