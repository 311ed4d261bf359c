"""All of nova in one eventlet process, over in-process RPC: API, conductor, scheduler and any number of computes.

usage: nova_all.py --config-file ETC/nova.conf     (ETC/control.json: port and token of the control API)

The control API starts and stops a real nova-compute service for a node:
  GET /                                   {"computes": [...]}
  POST /computes {"nodes": [...]}         start, then map them to the cell: {NODE: "started"|"running"|"error: ..."}
  DELETE /computes {"nodes": [...]}       stop: {NODE: "stopped"|"absent"}
"""
import nova.monkey_patch  # noqa: F401  must be first
import labdb  # noqa: F401  before oslo.db

import json
import os
import shlex
import sys

import eventlet
import eventlet.wsgi
import nova.conf
import nova.virt
import os_vif
from nova import config, context, objects, service, utils
from nova.compute import rpcapi as compute_rpcapi
from nova.objects import host_mapping
from oslo_log import log as logging
from oslo_privsep import priv_context

import labdriver

sys.modules["nova.virt.labdriver"] = nova.virt.labdriver = labdriver  # nova loads drivers from below nova.virt only
CONF = nova.conf.CONF
LOG = logging.getLogger("nova.lab")
COMPUTES = {}
LOCK = eventlet.semaphore.Semaphore()  # CONF.host is one for the process: one compute is started at a time


def start(node):
    if node in COMPUTES:
        return "running"
    controller = CONF.host
    CONF.set_override("host", node)
    try:
        compute = service.Service.create(host=node, binary="nova-compute",
                                         topic=getattr(compute_rpcapi, "RPC_TOPIC", "compute"))
        compute.start()
        compute.servicegroup_api._driver._report_state(compute)  # its first heartbeat now, not some seconds later
    except Exception as error:
        LOG.exception("nova-compute of %s does not start", node)
        return "error: %s" % error
    finally:
        CONF.set_override("host", controller)
    COMPUTES[node] = compute
    return "started"


def stop(node):
    if node not in COMPUTES:
        return "absent"
    COMPUTES.pop(node).stop()
    return "stopped"


def handle(method, body):
    if method == "GET":
        return {"computes": sorted(COMPUTES)}
    with LOCK:
        results = {node: (start if method == "POST" else stop)(node) for node in body["nodes"]}
        if method == "POST":
            # by service: a node that left and came back with its old identity is mapped, too
            host_mapping.discover_hosts(context.get_admin_context(), by_service=True)
        with open(SETTINGS["computes"] + ".new", "w") as file:
            file.write("\n".join(sorted(COMPUTES)))
        os.rename(SETTINGS["computes"] + ".new", SETTINGS["computes"])
    return results


def control(environ, start_response):
    if environ.get("HTTP_X_TOKEN") != SETTINGS["token"]:
        start_response("403 Forbidden", [("Content-Type", "application/json")])
        return [b"{}"]
    try:
        body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode() or "{}")
        status, answer = "200 OK", handle(environ["REQUEST_METHOD"], body)
    except Exception as error:
        LOG.exception("control")
        status, answer = "500 Internal Server Error", {"error": str(error)}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


config.parse_args(sys.argv)
with open(os.path.join(os.path.dirname(CONF.config_file[0]), "control.json")) as settings:
    SETTINGS = labdriver.SETTINGS = json.load(settings)
logging.setup(CONF, "nova")
priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
objects.register_all()
os_vif.initialize()
objects.Service.enable_min_version_cache()
labdriver.know_nodes_by_disk()
services = []
for binary, topic in (("nova-conductor", "conductor"), ("nova-scheduler", "scheduler")):
    services.append(service.Service.create(host=CONF.host, binary=binary, topic=topic))
    services[-1].start()
services.append(service.WSGIService("osapi_compute"))
services[-1].start()
eventlet.wsgi.server(eventlet.listen(("127.0.0.1", SETTINGS["port"])), control, log_output=False)
