"""What every part of the settings is made of: frozen, strict, and nothing that nobody knows."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints

Text = Annotated[str, StringConstraints(strict=True)]
Name = Annotated[str, StringConstraints(strict=True, min_length=1)]
Count = Annotated[StrictInt, Field(ge=1)]
Limit = Annotated[StrictInt, Field(ge=-1)]
Port = Annotated[StrictInt, Field(ge=0, le=65535)]


def _as_openstack_reads_it(value: object) -> object:
    """Turn into text what ``pulumi config set --path`` made a number or a boolean of."""
    return str(value).lower() if isinstance(value, (bool, int)) else value


Spec = Annotated[Text, BeforeValidator(_as_openstack_reads_it)]


class Model(BaseModel):
    """A part of a stack file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
