"""Stack ``caracal``, part by part, each waiting for what it needs.

::

    ceph ── controllers (files, roll) ─┐
    projects, networks, flavors … ─────┼── VISA ── nodes ── summary
    images ────────────────────────────┘
"""

from __future__ import annotations

import pulumi
import pulumi_openstack

from components.ceph import declare_ceph
from components.controllers import declare_controllers
from components.images import declare_images
from components.new_cloud import declare_new_cloud
from components.nodes import Nodes
from components.roll import declare_roll
from components.summary import Account, Summary
from components.visa_backend import declare_visa
from migration.actor import Orders
from migration.kolla.render import computes_of
from migration.settings import CaracalSettings
from migration.whole import Whole


def declare_stack(whole: Whole, settings: CaracalSettings, provider: pulumi_openstack.Provider) -> None:
    """Declare everything of the new cloud.

    Arguments:
        whole: what was seen and planned; nothing in it refuses.
        settings: what the stack file says.
        provider: the new cloud's provider.
    """
    orders = Orders.of(settings)
    needs: list[pulumi.Resource] = []
    accounts: list[Account] = []
    files: dict[str, pulumi.Output[str]] = {}
    if whole.ceph is not None:
        ceph = declare_ceph(whole.ceph, settings, orders)
        needs.append(ceph)
        accounts.append(ceph.account)
    if settings.kolla is not None:
        computes = computes_of(whole.plan, whole.facts)
        controllers = declare_controllers(settings, computes, whole.access, orders)
        files |= controllers.failed
        roll, account = declare_roll(whole.roll, whole.wanted, settings, files)
        needs += [*controllers.files.values(), roll]
        accounts += [controllers.account, account]
    needs += declare_new_cloud(settings, provider)
    images, account = declare_images(whole.images, settings)
    needs += images
    accounts.append(account)
    if whole.visa is not None:
        # Nodes do not wait for VISA: whether one may drain was decided from the facts.
        accounts.append(declare_visa(whole.visa, settings, needs)[1])
    accounts.append(Nodes(whole.plan, settings, needs).account)
    Summary(accounts, orders)
