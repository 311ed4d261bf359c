"""The groups of Kolla-Ansible's multinode inventory (18.8), apart from those that hold our hosts.

Which services are enabled makes no difference: Kolla's playbooks name groups of disabled services too, and fail without
them. A test holds this list against the inventory that the real kolla-ansible brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HOLDERS: Final = ("control", "network", "compute", "monitoring", "storage", "deployment")
"""The groups of which all others are made."""

_CHILDREN_OF: Final = """
aodh: aodh-api aodh-evaluator aodh-listener aodh-notifier
barbican: barbican-api barbican-keystone-listener barbican-worker
blazar: blazar-api blazar-manager
ceilometer: ceilometer-central ceilometer-notification
cinder: cinder-api cinder-scheduler
cloudkitty: cloudkitty-api cloudkitty-processor
common: cron fluentd kolla-logs kolla-toolbox
compute: ceilometer-compute ceilometer-ipmi collectd cyborg-agent hacluster-remote masakari-instancemonitor
    ovn-controller-compute prometheus-libvirt-exporter zun-cni-daemon zun-compute
compute control: cyborg
compute control monitoring network storage: baremetal common prometheus-cadvisor prometheus-node-exporter telegraf
compute ironic storage: iscsid
compute manila-share network: openvswitch
compute network: neutron-ovn-agent neutron-ovn-metadata-agent
compute storage: multipathd
control: aodh barbican blazar ceilometer cinder cloudkitty designate etcd glance gnocchi hacluster heat horizon ironic
    keystone magnum manila mariadb masakari-api masakari-engine masakari-hostmonitor memcached mistral neutron-server
    nova octavia opensearch ovn-database placement rabbitmq redis skyline swift tacker trove watcher zun
control network: tls-backend
cyborg: cyborg-api cyborg-conductor
deployment: bifrost
designate: designate-api designate-backend-bind9 designate-central designate-producer designate-sink designate-worker
glance: glance-api
gnocchi: gnocchi-api gnocchi-metricd gnocchi-statsd
heat: heat-api heat-api-cfn heat-engine
ironic: ironic-api ironic-conductor ironic-http ironic-inspector ironic-tftp
letsencrypt: letsencrypt-lego letsencrypt-webserver
loadbalancer: letsencrypt
magnum: magnum-api magnum-conductor
manila: manila-api manila-data manila-scheduler
mariadb: prometheus-mysqld-exporter
memcached: prometheus-memcached-exporter
mistral: mistral-api mistral-engine mistral-event-engine mistral-executor
monitoring: grafana influxdb prometheus prometheus-alertmanager prometheus-blackbox-exporter
    prometheus-openstack-exporter venus
network: designate-mdns loadbalancer manila-share neutron ovn-controller-network
neutron: ironic-neutron-agent neutron-bgp-dragent neutron-dhcp-agent neutron-infoblox-ipam-agent neutron-l3-agent
    neutron-metadata-agent neutron-metering-agent
nova: nova-api nova-compute-ironic nova-conductor nova-novncproxy nova-scheduler nova-serialproxy nova-spicehtml5proxy
    nova-super-conductor
octavia: octavia-api octavia-driver-agent octavia-health-manager octavia-housekeeping octavia-worker
opensearch: opensearch-dashboards prometheus-elasticsearch-exporter
ovn-controller-compute ovn-controller-network: ovn-controller
ovn-database: ovn-nb-db ovn-northd ovn-sb-db
placement: placement-api
prometheus-alertmanager: prometheus-msteams
skyline: skyline-apiserver skyline-console
storage: cinder-backup cinder-volume swift-account-server swift-container-server swift-object-server tgtd
swift: swift-proxy-server
tacker: tacker-conductor tacker-server
trove: trove-api trove-conductor trove-taskmanager
venus: venus-api venus-manager
watcher: watcher-api watcher-applier watcher-engine
zun: zun-api zun-wsproxy
"""


def _parsed(text: str) -> Mapping[str, tuple[str, ...]]:
    """Read lines of ``children: groups that are made of them``; an indented line goes on."""
    groups: dict[str, tuple[str, ...]] = {}
    for line in text.replace("\n    ", " ").strip().splitlines():
        children, _, parents = line.partition(": ")
        groups |= dict.fromkeys(parents.split(), tuple(children.split()))
    return dict(sorted(groups.items()))


CHILDREN: Final = _parsed(_CHILDREN_OF)
"""The groups that each group is made of, by its name."""
