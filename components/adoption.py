"""Resource options for the parts of a cloud: ours to make, or found in the old cloud and adopted."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi


def options(
    parent: pulumi.Resource,
    *,
    adopt: str | None = None,
    undeclared: Sequence[str] = (),
    protect: bool = False,
    after: Sequence[pulumi.Resource] = (),
) -> pulumi.ResourceOptions:
    """Say how a resource is kept.

    Arguments:
        parent: the component it belongs to; its provider is used.
        adopt: the id of what exists already; it is imported, protected, and stays whatever happens to the stack.
        undeclared: the properties of an adopted resource that the settings leave as they are.
        protect: whether a replacement would hurt users.
        after: what must exist first.

    Returns:
        The options to declare it with.
    """
    if adopt is None:
        return pulumi.ResourceOptions(parent=parent, protect=protect, depends_on=list(after))
    return pulumi.ResourceOptions(
        parent=parent,
        import_=adopt,
        protect=True,
        retain_on_delete=True,
        ignore_changes=list(undeclared),
        depends_on=list(after),
    )
