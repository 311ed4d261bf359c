"""Rendered files under the real engine: what the preview shows, what is written, mended, kept and removed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from tiny_project import Project

REPO = Path(__file__).parents[2]
SECRET = "AQDk3s2nAAAAEBAAm5fIuAl4nbtmXz"
PROGRAM = f"""
import json, sys
sys.path.insert(0, {str(REPO)!r})
from pathlib import Path
import pulumi
from components.files import RenderedFile
from migration.actor import Orders
from migration.adapters.files import found
from migration.settings import Hooks

orders = Orders.model_validate(json.loads(Path("orders.json").read_text()))
for path, (content, mode, secret) in json.loads(Path("files.json").read_text()).items():
    text = pulumi.Output.secret(content) if secret else content
    RenderedFile(path, path, text, mode, orders, found=found(Path(path)))
"""


@pytest.fixture
def rendered(project: Project, tmp_path: Path) -> Project:
    clouds = {
        "caracal": {"auth": {"auth_url": f"http://127.0.0.1:1/{tmp_path.name}", "username": "a", "password": "b"}}
    }
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
    project.environment["OS_CLIENT_CONFIG_FILE"] = str(tmp_path / "clouds.yaml")
    project.environment["PYTHONPATH"] = str(REPO)
    orders = {"old": None, "new": "caracal", "audit": "audit.jsonl", "hooks": {}, "probe": None}
    (project.directory / "orders.json").write_text(json.dumps(orders))
    project.write(PROGRAM)
    return project


def want(project: Project, files: dict[str, tuple[str, int, bool]]) -> None:
    (project.directory / "files.json").write_text(json.dumps(files))


def up(project: Project, *more: str) -> str:
    done = project.pulumi("up", "--yes", "--skip-preview", "--diff", *more)
    assert done.returncode == 0, done.stdout
    return done.stdout


def preview(project: Project, *more: str) -> str:
    done = project.pulumi("preview", "--diff", *more)
    assert done.returncode == 0, done.stdout
    return done.stdout


def audited(project: Project) -> list[str]:
    lines = (project.directory / "audit.jsonl").read_text().splitlines()
    return [" ".join(json.loads(line)[key] for key in ("cloud", "node", "step", "result")) for line in lines]


def test_the_way_of_a_file(rendered: Project) -> None:
    file = rendered.directory / "kolla" / "globals.yml"
    keyring = rendered.directory / "kolla" / "config" / "key"
    key = (f"key = {SECRET}\n", 0o600, True)
    want(rendered, {"kolla/globals.yml": ("a: 1\nb: 2\n", 0o640, False), "kolla/config/key": key})
    up(rendered)
    assert file.read_text() == "a: 1\nb: 2\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert keyring.read_text() == f"key = {SECRET}\n"
    assert stat.S_IMODE(keyring.stat().st_mode) == 0o600
    assert audited(rendered).count("kolla kolla/globals.yml write done") == 1

    # settled: nothing to show, nothing done
    preview(rendered, "--expect-no-changes")

    # the secret is nowhere in clear
    exported = rendered.pulumi("stack", "export").stdout
    assert SECRET not in exported
    state = "".join(path.read_text() for path in (rendered.directory.parent / "state").rglob("*.json"))
    assert "kolla/globals.yml" in state
    assert SECRET not in state

    # a change is readable, line by line, and a secret's is not
    changed = (f"key = {SECRET}2\n", 0o600, True)
    want(rendered, {"kolla/globals.yml": ("a: 1\nb: 3\n", 0o640, False), "kolla/config/key": changed})
    shown = preview(rendered)
    assert "~ b: 2 => 3" in shown
    assert SECRET not in shown
    assert SECRET not in up(rendered)
    assert file.read_text() == "a: 1\nb: 3\n"

    # edited by hand, opened to all, or removed: seen and mended
    file.write_text("a: 1\nb: 4\n")
    assert "1 to update" in preview(rendered)
    up(rendered)
    assert file.read_text() == "a: 1\nb: 3\n"
    keyring.chmod(0o644)
    up(rendered)
    assert stat.S_IMODE(keyring.stat().st_mode) == 0o600
    keyring.unlink()
    up(rendered)
    assert keyring.is_file()
    preview(rendered, "--expect-no-changes")

    # taken out: gone with its directory while it is ours, left where somebody has edited it
    file.write_text("mine\n")
    want(rendered, {})
    said = up(rendered)
    assert file.read_text() == "mine\n"
    assert "is not as it was written, so it stays" in said
    assert not keyring.parent.exists()
    assert "kolla kolla/globals.yml remove stays" in audited(rendered)


def test_what_cannot_be_written_is_reported_and_tried_again(rendered: Project) -> None:
    (rendered.directory / "kolla").write_text("in the way")
    want(rendered, {"kolla/globals.yml": ("a: 1\n", 0o640, False)})
    up(rendered)
    exported = json.loads(rendered.pulumi("stack", "export").stdout)
    (file,) = (one for one in exported["deployment"]["resources"] if one["type"].endswith("RenderedFile"))
    assert file["outputs"]["report"]["failed"].startswith("kolla/globals.yml: cannot be written: ")
    (rendered.directory / "kolla").unlink()
    assert "1 to update" in preview(rendered)
    up(rendered)
    assert (rendered.directory / "kolla" / "globals.yml").read_text() == "a: 1\n"
    preview(rendered, "--expect-no-changes")


def test_content_that_is_not_known_yet_is_previewed(rendered: Project) -> None:
    program = (
        PROGRAM
        + """
from pulumi.dynamic import Resource, ResourceProvider, CreateResult, DiffResult
from later import Later
text = Later("later").value.apply(lambda value: value + "\\n")
RenderedFile("of-later", "of-later", text, 0o600, orders, found=found(Path("of-later")))
"""
    )
    later = """
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult
import os
class LaterProvider(ResourceProvider):
    def create(self, props): return CreateResult("later", {"turn": props["turn"], "value": "v" + props["turn"]})
    def update(self, id_, olds, props): return UpdateResult({"turn": props["turn"], "value": "v" + props["turn"]})
    def diff(self, id_, olds, news): return DiffResult(changes=olds["turn"] != news["turn"])
class Later(Resource):
    def __init__(self, name): super().__init__(LaterProvider(), name, {"turn": os.environ["TURN"], "value": None})
"""
    want(rendered, {})
    rendered.write(later, "later.py")
    rendered.write(program)
    file = rendered.directory / "of-later"
    rendered.environment["PYTHONPATH"] += f":{rendered.directory}"
    for turn in ("1", "2"):
        rendered.environment["TURN"] = turn
        preview(rendered)
        up(rendered)
        assert file.read_text() == f"v{turn}\n"
        preview(rendered, "--expect-no-changes")


def test_files_can_be_written_alone(rendered: Project) -> None:
    """As before the first bring-up, when nothing else of the stack can be declared."""
    program = """
from pulumi.dynamic import Resource, ResourceProvider
class NoCloudProvider(ResourceProvider):
    def create(self, props): raise RuntimeError("there is no cloud yet")
class NoCloud(Resource):
    def __init__(self, name): super().__init__(NoCloudProvider(), name, {})
parent = pulumi.ComponentResource("visa:cloud:Controllers", "controllers", None)
opts = pulumi.ResourceOptions(parent=parent)
RenderedFile("alone", "kolla/alone", "a\\n", 0o644, orders, found=found(Path("kolla/alone")), opts=opts)
NoCloud("cloud")
"""
    want(rendered, {})
    rendered.write(PROGRAM + program)
    whole = rendered.pulumi("up", "--yes", "--skip-preview")
    assert whole.returncode != 0
    assert "there is no cloud yet" in whole.stdout
    (rendered.directory / "kolla" / "alone").unlink(missing_ok=True)
    alone = rendered.pulumi("up", "--yes", "--skip-preview", "--target", "**RenderedFile**")
    assert alone.returncode == 0, alone.stdout
    assert (rendered.directory / "kolla" / "alone").read_text() == "a\n"
