"""The real engine runs programs through our language host."""

from __future__ import annotations

import json
import os
import re
import signal

from tiny_project import Project, wait_for

BLOCKS = """
import pathlib, time
pathlib.Path("started").touch()
time.sleep(600)
"""


def diagnostics(output: str) -> str:
    """Return the part where the engine sums up what was said; before it, the same lines are shown as they come."""
    return output.partition("\nDiagnostics:\n")[2].partition("\nResources:\n")[0]


def test_a_program_sees_its_settings(project: Project) -> None:
    project.write("""
import asyncio, json, os, pathlib, sys
import helper
import pulumi
from pulumi.runtime.settings import get_root_directory

config = pulumi.Config()
pathlib.Path("seen").write_text(json.dumps({
    "greeting": config.require("greeting"),
    "object": config.require_object("nodes"),
    "secret": pulumi.runtime.is_config_secret("tiny:word"),
    "word": config.require("word"),
    "names": [pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack()],
    "root": get_root_directory(),
    "preview": pulumi.runtime.is_dry_run(),
    "workers": asyncio.get_running_loop()._default_executor._max_workers,
    "virtualenv": [sys.prefix, os.environ["VIRTUAL_ENV"]],
    "neighbour": helper.NAME,
}))
pulumi.export("word", config.require_secret("word"))
""")
    project.write("NAME = 'beside the program'", "helper.py")
    project.pulumi("config", "set", "greeting", "hello = 'world'")
    project.pulumi("config", "set", "--path", "nodes.cmp01.membership", "caracal")
    project.pulumi("config", "set", "--secret", "word", "hush")

    preview = project.pulumi("preview", "--parallel", "3")

    assert preview.returncode == 0, preview.stdout
    assert "hush" not in preview.stdout
    venv = str(project.directory / "some" / "venv")
    assert json.loads((project.directory / "seen").read_text()) == {
        "greeting": "hello = 'world'",
        "object": {"cmp01": {"membership": "caracal"}},
        "secret": True,
        "word": "hush",
        "names": ["organization", "tiny", "dev"],
        "root": str(project.directory),
        "preview": True,
        "workers": 12,
        "virtualenv": [venv, venv],
        "neighbour": "beside the program",
    }


def test_the_program_may_be_a_file_elsewhere(project: Project) -> None:
    (project.directory / "Pulumi.yaml").write_text(
        "name: tiny\nmain: code/app.py\nruntime: {name: python, options: {virtualenv: some/venv}}\n"
    )
    (project.directory / "code").mkdir()
    project.write("import helper, sys\nraise ValueError(helper.NAME)", "code/app.py")
    project.write("NAME = 'beside the program'", "code/helper.py")

    up = project.pulumi("up", "--yes", "--skip-preview")

    assert "ValueError: beside the program" in diagnostics(up.stdout)
    assert "runpy" not in up.stdout


def test_output_comes_whole_and_in_order(project: Project) -> None:
    project.write("""
import sys
for number in range(300):
    print("out", number)
    print("err", number, file=sys.stderr)
sys.stdout.write("the end, without a newline")
""")

    up = project.pulumi("up", "--yes", "--skip-preview", "--suppress-progress")

    assert up.returncode == 0, up.stdout
    for stream in ("out", "err"):
        # The engine shows each line as it comes, and all of them again at the end.
        assert re.findall(rf"^ +{stream} (\d+)$", up.stdout, re.MULTILINE)[-300:] == [str(n) for n in range(300)]
    assert "the end, without a newline" in up.stdout


def test_an_exception_is_shown_once_from_the_users_code_on(project: Project) -> None:
    project.write("""
def deeper():
    raise ValueError("no such node: cmp07")

deeper()
""")

    up = project.pulumi("up", "--yes", "--skip-preview")

    assert up.returncode != 0
    assert diagnostics(up.stdout).count("ValueError: no such node: cmp07") == 1
    assert f'File "{project.directory}/__main__.py", line 3, in deeper' in up.stdout
    assert "runpy" not in up.stdout
    assert "program.py" not in up.stdout
    assert "exit code" not in up.stdout


def test_a_sentence_is_shown_as_it_is(project: Project) -> None:
    project.write("""
import pulumi
raise pulumi.RunError("Pulumi.dev.yaml: one mistake")
""")

    up = project.pulumi("up", "--yes", "--skip-preview")

    assert up.returncode != 0
    assert diagnostics(up.stdout).count("Pulumi.dev.yaml: one mistake") == 1
    assert "Traceback" not in up.stdout
    assert "exit code" not in up.stdout


def test_a_resource_that_fails_is_shown_once(project: Project) -> None:
    project.write("""
from failing import Thing
Thing("bad")
""")
    project.write(
        """
from pulumi import dynamic

class Provider(dynamic.ResourceProvider):
    def create(self, props):
        raise RuntimeError("the cloud says no")

class Thing(dynamic.Resource):
    def __init__(self, name):
        super().__init__(Provider(), name, {})
""",
        "failing.py",
    )

    up = project.pulumi("up", "--yes", "--skip-preview")

    assert up.returncode != 0
    assert diagnostics(up.stdout).count("the cloud says no") == 1
    assert "Traceback" not in up.stdout


def test_an_exit_code_is_told(project: Project) -> None:
    project.write("raise SystemExit(3)")

    up = project.pulumi("up", "--yes", "--skip-preview")

    assert up.returncode != 0
    assert "exit code 3" in up.stdout


def test_no_program_and_no_virtualenv_are_told_with_the_mend(project: Project) -> None:
    assert "has no __main__.py" in project.pulumi("preview").stdout

    project.write("")
    (project.directory / "some" / "venv").unlink()
    preview = project.pulumi("preview")

    assert preview.returncode != 0
    assert (
        f"{project.directory}/some/venv, named in Pulumi.yaml, does not exist; `pulumi install` makes it"
        in preview.stdout
    )


def test_about_tells_the_projects_python_and_plugin(project: Project) -> None:
    project.write("")

    about = project.pulumi("about")

    assert about.returncode == 0, about.stdout
    assert f"executable='{project.directory}/some/venv/bin/python'" in about.stdout
    assert re.search(r"resource +openstack +5\.5\.1", about.stdout)
    assert re.search(r"language +python +3\.259\.0", about.stdout)


def test_the_provider_previews_resources_without_a_warning(project: Project) -> None:
    project.write("""
import pulumi
import pulumi_openstack as openstack

cloud = openstack.Provider("cloud", auth_url="http://127.0.0.1:9/v3", user_name="u", password="p", tenant_name="t")
opts = pulumi.ResourceOptions(provider=cloud)
network = openstack.networking.Network("network", opts=opts)
openstack.networking.Subnet("subnet", network_id=network.id, cidr="10.0.0.0/24", opts=opts,
                            allocation_pools=[{"start": "10.0.0.2", "end": "10.0.0.9"}])
openstack.loadbalancer.L7PolicyV2("policy", action="REJECT", listener_id="x", opts=opts)
""")

    preview = project.pulumi("preview", "--diff")

    assert preview.returncode == 0, preview.stdout
    assert "allocationPools: [" in preview.stdout
    assert "+ 5 to create" in preview.stdout
    assert "warning" not in preview.stdout


def test_install_makes_the_virtualenv(project: Project) -> None:
    (project.directory / "some" / "venv").unlink()
    project.write("", "requirements.txt")

    install = project.pulumi("install")

    assert install.returncode == 0, install.stdout
    assert "-m venv" in install.stdout
    assert (project.directory / "some" / "venv" / "bin" / "python").exists()


def test_a_plugin_written_in_python_is_run(project: Project) -> None:
    plugin = project.directory / "plugin"
    plugin.mkdir()
    (plugin / "PulumiPlugin.yaml").write_text("runtime: {name: python, options: {virtualenv: venv}}")
    (plugin / "venv").symlink_to(project.directory / "some" / "venv")
    (plugin / "__main__.py").write_text("""
import sys
from pulumi.provider import Provider, server

class Mine(Provider):
    def __init__(self):
        super().__init__("1.0.0", '{"name": "mine", "version": "1.0.0", "description": "from Python"}')

server.main(Mine(), sys.argv[1:])
""")

    got = project.pulumi("package", "get-schema", "./plugin")

    assert got.returncode == 0, got.stdout
    assert '"description": "from Python"' in got.stdout
    wait_for("the plugin's end", lambda: not project.processes())


def test_an_interrupted_engine_leaves_nothing(project: Project) -> None:
    project.write(BLOCKS)
    engine = project.start("up", "--yes", "--skip-preview")
    wait_for("the program's start", (project.directory / "started").exists)

    engine.send_signal(signal.SIGINT)

    assert engine.wait() != 0
    wait_for("the end of all", lambda: not project.processes())


def test_a_killed_engine_takes_program_and_provider_along(project: Project) -> None:
    project.write("""
import pathlib, time
import pulumi_openstack as openstack

def wait(_):
    pathlib.Path("started").touch()
    time.sleep(600)

openstack.Provider("cloud", auth_url="http://127.0.0.1:9/v3", user_name="u", password="p").urn.apply(wait)
""")
    engine = project.start("preview")
    wait_for("the program's start", (project.directory / "started").exists)
    running = " ".join(project.processes().values())
    for part in ("server.py", "program.py", "pulumi-resource-openstack"):
        assert part in running

    engine.kill()

    engine.wait()
    wait_for("the end of all", lambda: not project.processes())


def test_killed_engine_and_host_take_the_program_along(project: Project) -> None:
    project.write(BLOCKS)
    engine = project.start("up", "--yes", "--skip-preview")
    wait_for("the program's start", (project.directory / "started").exists)
    (host,) = [pid for pid, command in project.processes().items() if "server.py" in command]

    engine.kill()
    os.kill(host, signal.SIGKILL)  # before it could look after the program

    engine.wait()
    wait_for("the end of all", lambda: not project.processes())


def test_a_killed_engine_takes_the_dynamic_provider_along(project: Project) -> None:
    project.write("from blocking import Thing\nThing('slow')")
    project.write(
        """
import pathlib, subprocess
from pulumi import dynamic

class Provider(dynamic.ResourceProvider):
    def create(self, props):
        pathlib.Path("acting").touch()
        subprocess.run(["sleep", "600"])

class Thing(dynamic.Resource):
    def __init__(self, name):
        super().__init__(Provider(), name, {})
""",
        "blocking.py",
    )
    engine = project.start("up", "--yes", "--skip-preview")
    wait_for("the provider's act", (project.directory / "acting").exists)
    running = " ".join(project.processes().values())
    assert "dynamic.py" in running
    assert "sleep 600" in running

    engine.kill()

    engine.wait()
    wait_for("the end of all", lambda: not project.processes())


def test_the_environment_names_only_what_is_there(project: Project) -> None:
    assert os.access(project.environment["PULUMI_HOME"], os.W_OK)
    assert project.pulumi("version").stdout.strip() == "v3.259.0"
