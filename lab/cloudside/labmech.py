"""Neutron mechanism driver: a port on a host with a living Open vSwitch agent is bound and ACTIVE at once."""
from neutron_lib import constants
from neutron_lib.plugins.ml2 import api


class LabMechanismDriver(api.MechanismDriver):
    def initialize(self):
        pass

    def bind_port(self, context):
        agents = context.host_agents(constants.AGENT_TYPE_OVS)
        if not any(agent["alive"] for agent in agents):
            return
        for segment in context.segments_to_bind:
            context.set_binding(segment[api.ID], "ovs", {"port_filter": True}, status=constants.PORT_STATUS_ACTIVE)
            return
