"""Ceph: the CRUSH map with its rule, each pool, and each user with its keyring among Kolla's files.

::

    crush map ── pools
    users ────── keyrings (files below Kolla's directory, secrets)

The steps are inputs, so a preview shows all of them. None of these resources fails: what failed is told to the summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from components.files import RenderedFile
from components.provider import Provider
from components.summary import Account
from migration.actor import Orders
from migration.adapters import files
from migration.ceph.act import CRUSH, Hands, Report, carry_out
from migration.ceph.look import open_ceph
from migration.ceph.plan import CephPlan, Steps
from migration.ceph.settings import Ceph as CephSettings
from migration.ceph.users import keyring, paths_of
from migration.settings import CaracalSettings

SYSTEM = "ceph"
"""What is acted on, in the audit log."""

KEYRING_MODE = 0o600


class CephProvider(Provider):
    """Carries out the steps on one subject: the CRUSH map or a pool.

    Arguments:
        orders: what acts are told.
        ceph: what is wanted of Ceph; it travels with the provider as the orders do.
    """

    def __init__(self, orders: Orders, ceph: CephSettings) -> None:
        super().__init__(orders)
        self._ceph = ceph.model_dump_json()

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Run the steps; the report tells how it ended."""
        return {**props, "report": _shown(self._run(props)[0])}

    def identity(self, props: Mapping[str, Any]) -> str:
        """Return the resource's id."""
        return str(props["subject"])

    def diff(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Say "changed" only where something is to be done."""
        return DiffResult(changes=self.pending(news))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Change nothing in Ceph: what leaves the config stays there."""
        print(f"{props['subject']}: is declared no more; it stays in Ceph as it is", flush=True)

    def _run(self, props: Mapping[str, Any]) -> tuple[Report, CephPlan | None]:
        subject, steps = str(props["subject"]), props["steps"]
        if not steps:
            return Report(), None
        if props["held"]:
            return Report(failed=f"{subject}: waits for the CRUSH map, which could not be changed"), None
        ceph, actor = CephSettings.model_validate_json(self._ceph), self.actor()

        def tell(about: str, step: str, result: str, detail: str) -> None:
            actor.tell(SYSTEM, about, step, result, detail)

        hands = Hands(ceph, lambda: open_ceph(ceph), tell, actor.engine.step)
        return carry_out(hands, subject, list(steps))


class UserProvider(CephProvider):
    """Carries out the steps on one user, and knows its key afterwards."""

    def act(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Run the steps; the key is what Ceph has after them."""
        report, after = self._run(props)
        found = after.keys.get(str(props["user"])) if after is not None else None
        return {**props, "key": found or props["key"], "report": _shown(report)}

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Say "changed" where something is to be done, or the key in Ceph is another one than we know."""
        # no key: Ceph was not asked, or has no such user yet
        return DiffResult(changes=self.pending(news) or bool(news["key"] and news["key"] != olds.get("key")))


class CrushMap(Resource, module="ceph", name="CrushMap"):
    """The CRUSH map: datacenters, the hosts in them, and the rule; changed as a whole or not at all."""

    report: pulumi.Output[dict[str, Any]]

    def __init__(self, steps: Steps, orders: Orders, ceph: CephSettings, opts: pulumi.ResourceOptions) -> None:
        inputs = {"subject": CRUSH, "steps": _words(steps), "held": ""}
        super().__init__(CephProvider(orders, ceph), CRUSH, {**inputs, "report": None}, opts)


class Pool(Resource, module="ceph", name="Pool"):
    """A pool. It is protected, and nothing of ours deletes it."""

    report: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        steps: Steps,
        held: pulumi.Input[str],
        orders: Orders,
        ceph: CephSettings,
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {"subject": f"pool {name}", "steps": _words(steps), "held": held}
        super().__init__(CephProvider(orders, ceph), name, {**inputs, "report": None}, opts)


class User(Resource, module="ceph", name="User"):
    """A user; its key is a secret."""

    report: pulumi.Output[dict[str, Any]]
    key: pulumi.Output[str]

    def __init__(
        self, name: str, steps: Steps, key: str, orders: Orders, ceph: CephSettings, opts: pulumi.ResourceOptions
    ) -> None:
        inputs = {
            "subject": f"user {name}",
            "user": name,
            "steps": _words(steps),
            "held": "",
            "key": pulumi.Output.secret(key),
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key"])
        merged = pulumi.ResourceOptions.merge(opts, secret)
        super().__init__(UserProvider(orders, ceph), name, {**inputs, "report": None}, merged)


class Ceph(pulumi.ComponentResource):
    """Everything of Ceph.

    Arguments:
        plan: the plan; it has no refusals.
        settings: the stack's settings, with ``ceph``.
        orders: what acts are told.
        opts: as for every resource.

    Attributes:
        account: what the summary is told.
    """

    def __init__(
        self, plan: CephPlan, settings: CaracalSettings, orders: Orders, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("visa:ceph:Ceph", "ceph", {}, opts)
        ceph = settings.ceph
        if ceph is None:
            raise ValueError("the stack declares no Ceph")
        below = pulumi.ResourceOptions(parent=self)
        guarded = pulumi.ResourceOptions(parent=self, protect=True)
        crush = CrushMap(plan.crush, orders, ceph, below)
        # a resource without steps still has the report of an earlier run
        held = crush.report.apply(_failure) if plan.crush else ""
        pools = {name: Pool(name, steps, held, orders, ceph, guarded) for name, steps in plan.pools.items()}
        users = {
            name: User(name, steps, plan.keys.get(name, ""), orders, ceph, below) for name, steps in plan.users.items()
        }
        keyrings = _keyrings(plan, settings, users, orders, self)
        reports = {
            CRUSH: crush.report,
            **{f"pool {name}": pool.report for name, pool in pools.items()},
            **{f"user {name}": user.report for name, user in users.items()},
        }
        busy = {subject: steps for subject, steps in plan.subjects.items() if steps}
        written = [subject for subject in busy if subject.startswith("user ")]
        self.account = Account(
            steps={subject: [step.word for step in steps] for subject, steps in busy.items()},
            failed={
                **{subject: reports[subject].apply(_failure) for subject in busy},
                **{path: file.report.apply(_failure) for path, file in keyrings.items() if written},
            },
            alarms=[plan.unasked] if plan.unasked else [],
        )
        for warning in plan.warnings:
            pulumi.log.warn(warning, self)
        for subject, steps in busy.items():
            pulumi.log.info(f"{subject}: {'; '.join(f'{step.word} {step.detail}' for step in steps)}", self)
        self.register_outputs({})


def declare_ceph(
    plan: CephPlan, settings: CaracalSettings, orders: Orders, opts: pulumi.ResourceOptions | None = None
) -> Ceph:
    """Declare Ceph; as :class:`Ceph`, on which everything that needs its pools or keyrings may depend."""
    return Ceph(plan, settings, orders, opts)


def _keyrings(
    plan: CephPlan, settings: CaracalSettings, users: Mapping[str, User], orders: Orders, parent: pulumi.Resource
) -> Mapping[str, RenderedFile]:
    """Declare the keyring files below Kolla's directory, by path."""
    if settings.kolla is None:
        return {}
    declared = {}
    for name, user in users.items():
        for below in paths_of(name):
            path = f"{settings.kolla.directory}/{below}"
            found = files.found(Path(path))
            if plan.unasked and not found:
                continue  # there is no key to write
            content = pulumi.Output.secret(Path(path).read_text()) if plan.unasked else _content(name, user)
            opts = pulumi.ResourceOptions(parent=parent)
            declared[path] = RenderedFile(path, path, content, KEYRING_MODE, orders, found=found, opts=opts)
    return declared


def _content(name: str, user: User) -> pulumi.Output[str]:
    missing = f"# client.{name} has no key yet; the summary of pulumi up says why\n"
    return pulumi.Output.secret(user.key.apply(lambda key: keyring(name, key) if key else missing))


def _words(steps: Steps) -> dict[str, str]:
    return {step.word: step.detail for step in steps}


def _shown(report: Report) -> dict[str, Any]:
    return {"done": list(report.done), "failed": report.failed}


def _failure(report: Mapping[str, Any] | None) -> str:
    """Return what failed; nothing is known of it in a preview."""
    return str(report["failed"]) if report else ""
