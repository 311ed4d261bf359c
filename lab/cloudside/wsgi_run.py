"""Run one OpenStack API under waitress.

usage: wsgi_run.py keystone|placement|glance|neutron PORT CONFIG_DIRECTORY
"""
import os
import sys

service, port, etc = sys.argv[1:]
sys.argv = [service]  # oslo.config reads the command line, too

import labdb  # noqa: E402

labdb.no_checkin_sleep()
if service == "keystone":
    os.environ.update(OS_KEYSTONE_CONFIG_DIR=etc, OS_KEYSTONE_CONFIG_FILES=etc + "/keystone.conf")
    from keystone.server.wsgi import initialize_public_application
    application = initialize_public_application()
elif service == "placement":
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = etc
    from placement.wsgi import init_application
    application = init_application()
elif service == "glance":
    os.environ["OS_GLANCE_CONFIG_DIR"] = etc
    from glance.common.wsgi_app import init_app
    application = init_app()
else:
    os.environ.update(OS_NEUTRON_CONFIG_DIR=etc, OS_NEUTRON_CONFIG_FILES="neutron.conf")
    from neutron import server
    from neutron.common import config
    server._init_configuration()
    application = config.load_paste_app("neutron")

import waitress  # noqa: E402


def without_empty_bodies(environ, start_response):
    """Keystone answers 204 with the length of a body that it does not send; waitress then drops the connection."""
    def start(status, headers, exc_info=None):
        if status.startswith("204"):
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)
    return application(environ, start)


waitress.serve(without_empty_bodies, host="127.0.0.1", port=int(port), threads=1, ident=service,
               clear_untrusted_proxy_headers=False)
