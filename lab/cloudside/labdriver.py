"""Nova's fake hypervisor, with a disk: what is on a node outlives nova-compute, and the cloud that it served.

A node's disk is the directory NODES/NODE: ``compute_id`` (the identity of nova since 2023) and one file per domain.
"""
import json
import os
import uuid

from nova.compute import power_state
from nova.virt import fake, hardware
import nova.conf

CONF = nova.conf.CONF
SETTINGS = {}  # filled by nova_all from control.json


def fault(node):
    """Return the fault that was set on this node, or None."""
    try:
        with open(SETTINGS["faults"]) as file:
            return json.load(file).get(node)
    except FileNotFoundError:
        return None


class Disk(object):
    def __init__(self, node):
        self.path = os.path.join(SETTINGS["nodes"], node)
        os.makedirs(os.path.join(self.path, "domains"), mode=0o700, exist_ok=True)

    def _domain(self, identity):
        return os.path.join(self.path, "domains", identity)

    def domains(self):
        for identity in os.listdir(os.path.join(self.path, "domains")):
            with open(self._domain(identity)) as file:
                name, state = file.read().split()
            yield fake.FakeInstance(name, int(state), identity)

    def save(self, domain):
        with open(self._domain(domain.uuid), "w") as file:
            file.write("%s %d" % (domain.name, domain.state))

    def remove(self, identity):
        if os.path.exists(self._domain(identity)):
            os.unlink(self._domain(identity))

    def identity(self):
        try:
            with open(os.path.join(self.path, "compute_id")) as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def new_identity(self, identity):
        with open(os.path.join(self.path, "compute_id"), "x") as file:
            file.write(identity)


def know_nodes_by_disk():
    """Let nova read a node's identity from that node's disk: one process runs many computes."""
    try:
        from nova.virt import node
    except ImportError:
        return  # Stein: nodes have no identity of their own

    def local(host=None):
        disk = Disk(host or CONF.host)
        if not disk.identity():
            disk.new_identity(str(uuid.uuid4()))
        return disk.identity()

    node.read_local_node_uuid = lambda: Disk(CONF.host).identity()
    node.write_local_node_uuid = lambda identity: Disk(CONF.host).new_identity(identity)
    node.get_local_node_uuid = local


class LabDriver(fake.FakeDriver):
    vcpus = 64
    memory_mb = 512 * 1024
    local_gb = 4000

    def __init__(self, virtapi, read_only=False):
        super(LabDriver, self).__init__(virtapi, read_only)
        self.disk = Disk(CONF.host)
        self.instances = {domain.uuid: domain for domain in self.disk.domains()}

    def init_host(self, host):
        self._host = host
        self._nodes = [host]

    def get_available_resource(self, nodename):
        resources = super(LabDriver, self).get_available_resource(nodename)
        if hasattr(nova.virt, "node"):
            resources["uuid"] = nova.virt.node.get_local_node_uuid(nodename)
        return resources

    def get_nodenames_by_uuid(self, refresh=False):
        return {nova.virt.node.get_local_node_uuid(node): node for node in self.get_available_nodes()}

    def get_info(self, instance, use_cache=True):
        domain = self.instances.get(instance.uuid)
        if domain is None:
            return super(LabDriver, self).get_info(instance)
        return hardware.InstanceInfo(state=domain.state)

    def spawn(self, context, instance, *args, **kwargs):
        if fault(self._host) == "probe-fails":
            raise RuntimeError("%s: fault set in the lab: probe-fails" % self._host)
        super(LabDriver, self).spawn(context, instance, *args, **kwargs)
        self.disk.save(self.instances[instance.uuid])

    def power_off(self, instance, *args, **kwargs):
        super(LabDriver, self).power_off(instance, *args, **kwargs)
        self.disk.save(self.instances[instance.uuid])

    def power_on(self, context, instance, *args, **kwargs):
        super(LabDriver, self).power_on(context, instance, *args, **kwargs)
        self.disk.save(self.instances[instance.uuid])

    def destroy(self, context, instance, *args, **kwargs):
        super(LabDriver, self).destroy(context, instance, *args, **kwargs)
        self.disk.remove(instance.uuid)
