"""What the stack file says of Kolla-Ansible, which deploys the new cloud."""

from __future__ import annotations

from pydantic import Field

from migration.model import Model, Name


class Controller(Model):
    """A host of the control plane."""

    datacenter: Name = Field(description="the name of a datacenter under datacenters")


class Arbiter(Model):
    """A host at a third site that breaks a tie of two datacenters."""


class Kolla(Model):
    """How Kolla-Ansible deploys the new cloud."""
