"""``visa-migration controllers record``: a person has deployed a controller by hand, and tells the ledger so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from migration import audit
from migration.ceph.access import RENDERED, CephAccess, without_comments
from migration.errors import Problem, SettingsError, StepError
from migration.kolla import applied
from migration.kolla.health import Look
from migration.kolla.render import INVENTORY, render
from migration.kolla.roll_orders import RollOrders, control_plane, wanted_of
from migration.kolla.settings import Kolla
from migration.names import LEDGER_AGGREGATE
from migration.observe import Cloud, open_cloud
from migration.settings import CaracalSettings, load

STACK = "Pulumi.caracal.yaml"
STEP = "record"


def look_really(settings: CaracalSettings) -> Look:
    """Look at the control plane."""
    return control_plane(RollOrders.of(settings)).look()


def record(
    directory: Path,
    controller: str,
    *,
    look: Callable[[CaracalSettings], Look] = look_really,
    open_: Callable[[str], Cloud] = open_cloud,
) -> str:
    """Write to the ledger that a controller has what is rendered, if everything is healthy.

    Arguments:
        directory: the project.
        controller: the controller.
        look: looks at the control plane.
        open_: how to log in to a cloud.

    Returns:
        What was recorded, a sentence.

    Raises:
        SettingsError: no such controller.
        StepError: the files are not what the settings say, something is not healthy, or there is no ledger.
        CloudError: the new cloud cannot be asked.
    """
    with contextlib.chdir(directory):  # relative paths begin in the project, as in pulumi up
        settings = load(Path(STACK))
        assert isinstance(settings, CaracalSettings)  # noqa: S101 - by the file's name
        kolla = settings.kolla
        if kolla is None:
            raise SettingsError(STACK, [Problem("kolla", "missing; nothing is rendered without it")])
        ceph = _ceph(settings, kolla)
        wanted = wanted_of(settings, ceph)
        if controller not in wanted:
            message = f"{controller} is not declared; expected one of {', '.join(wanted)}"
            raise SettingsError(STACK, [Problem("controllers", message)])
        if stale := _stale(settings, kolla, ceph):
            message = f"{', '.join(stale)}: not what {STACK} says, so nobody knows what was deployed; run pulumi up"
            raise StepError(controller, STEP, f"{message} to render it, and deploy again")
        cloud = open_(settings.clouds.new)
        ledger = next((each for each in cloud.nova.aggregates() if each.name == LEDGER_AGGREGATE), None)
        if ledger is None:
            raise StepError(controller, STEP, f"{cloud.name} has no aggregate {LEDGER_AGGREGATE}; run pulumi up first")
        if ill := [str(sign) for sign in look(settings).signs if not sign.healthy]:
            message = f"not everything is healthy: {'; '.join(ill)}. Mend that before the next controller changes"
            raise StepError(controller, STEP, message)
        path = Path(settings.audit) if settings.audit else None
        audit.write(path, audit.Entry("", cloud.name, controller, STEP, audit.BEGINS, "deployed by hand"))
        before = applied.read(dict(ledger.metadata)).get(controller)
        cloud.nova.set_metadata(
            ledger.id, applied.parts(controller, wanted[controller], before.parts if before else {})
        )
        cloud.nova.set_metadata(ledger.id, applied.applied(controller, audit.now()))
        audit.write(path, audit.Entry("", cloud.name, controller, STEP, audit.DONE, "deployed by hand"))
    return f"{controller}: recorded; the next preview says what is left"


def _ceph(settings: CaracalSettings, kolla: Kolla) -> CephAccess | None:
    """Return how Ceph is reached, as it was rendered: that is what was deployed."""
    path = Path(kolla.directory, RENDERED)
    return CephAccess(without_comments(path.read_text())) if settings.ceph and path.is_file() else None


def _stale(settings: CaracalSettings, kolla: Kolla, ceph: CephAccess | None) -> list[str]:
    """Return the files that are not there as the settings say; the inventory lists nodes, which are not compared."""
    found = []
    for name, file in render(settings, (), ceph).items():
        path = Path(kolla.directory, name)
        if name != f"{INVENTORY}/multinode" and (not path.is_file() or path.read_text() != file.content):
            found.append(str(path))
    return found
