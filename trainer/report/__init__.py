"""The report stage: what a run left in its folder -> one HTML page and one PNG."""
