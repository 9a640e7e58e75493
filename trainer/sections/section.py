"""What every section of a recipe keeps to."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A key that is not here is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
