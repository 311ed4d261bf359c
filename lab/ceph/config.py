"""The ceph.conf of a lab's cluster: for its daemons, and for whoever uses it."""

from __future__ import annotations

from lab.ceph.layout import MON, OSD, Layout

GIB = 2**30

# No place outside the lab's directory, whatever the distribution's defaults are.
_CONF = """\
[global]
fsid = {fsid}
mon_initial_members = {members}
mon_host = {addresses}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
run_dir = {directory}/run
crash_dir = {directory}/crash
osd_pool_default_size = 4
osd_pool_default_min_size = 2
osd_pool_default_pg_num = 8

[client]
keyring = {directory}/ceph.$name.keyring

[mon]
mon_data = {directory}/data/$name
log_file = {directory}/log/$name.log
mon_cluster_log_file = {directory}/log/cluster.log
admin_socket =
mon_allow_pool_delete = true
auth_allow_insecure_global_id_reclaim = false
# A host that is lost stays in: its data is not copied elsewhere before a person has looked.
mon_osd_down_out_subtree_limit = host
mon_data_avail_warn = 2
mon_data_avail_crit = 1
mgr_initial_modules = iostat
# A write in 0.1 s instead of 1 s; a lost monitor is noticed in 6 s instead of 10 s, a lost manager in 15 s, not 30 s.
paxos_propose_interval = 0.05
mon_election_timeout = 1
mon_lease = 3
mon_mgr_beacon_grace = 15

[mgr]
mgr_data = {directory}/data/$name
log_file = {directory}/log/$name.log
admin_socket =

[osd]
osd_data = {directory}/data/$name
log_file = {directory}/log/$name.log
admin_socket =
osd_objectstore = bluestore
bluestore_block_size = {size}
bluestore_block_create = true
bluestore_block_db_create = false
bluestore_block_wal_create = false
# With 1024 four labs take all that a kernel has for asynchronous requests.
bdev_aio_max_queue_depth = 128
osd_memory_target = {memory}
# SIGTERM ends an OSD as an operator's stop does, and not as a crash.
osd_fast_shutdown = false
osd_heartbeat_interval = 2
osd_heartbeat_grace = 10
"""

_DAEMON = """
[{name}]
public_addr = {address}
"""

_OSD = """\
cluster_addr = {address}
crush_location = root=default datacenter={place} host={host}
"""


def text(layout: Layout, fsid: str) -> str:
    """Return the ceph.conf.

    Arguments:
        layout: the cluster.
        fsid: its identity.

    Returns:
        The file's content, without secrets.
    """
    mons = layout.of_kind(MON)
    written = _CONF.format(
        fsid=fsid,
        members=",".join(mon.id for mon in mons),
        addresses=",".join(vector(mon.address) for mon in mons),
        directory=layout.directory,
        size=4 * GIB,
        memory=896 * 2**20,
    )
    for daemon in layout.daemons:
        values = {"name": daemon.name, "address": daemon.address, "place": daemon.place, "host": daemon.host}
        written += _DAEMON.format(**values) + (_OSD.format(**values) if daemon.kind == OSD else "")
    return written


def vector(address: str) -> str:
    """Return how a monitor's addresses are written: for clients of today, and for old ones."""
    return f"[v2:{address}:3300,v1:{address}:6789]"
