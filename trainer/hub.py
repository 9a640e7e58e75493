"""Datasets of the Hugging Face Hub, fetched once. Knows names and folders, no rows."""

from __future__ import annotations

from pathlib import Path

from trainer.errors import CorpusError, first_line

_PATTERNS = ("*.parquet", "*.jsonl", "*.jsonl.gz", "*.jsonl.zst", "*.txt")


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
