"""What every part of the settings is made of: frozen, strict, and nothing that nobody knows."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints

Text = Annotated[str, StringConstraints(strict=True)]
Name = Annotated[str, StringConstraints(strict=True, min_length=1)]
Count = Annotated[StrictInt, Field(ge=1)]
Limit = Annotated[StrictInt, Field(ge=-1)]
Port = Annotated[StrictInt, Field(ge=0, le=65535)]


class Model(BaseModel):
    """A part of a stack file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
