"""Images go from a real Stein to a real Caracal: converted, compared, resumed, described, never overwritten."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from migrating import asking

from lab.packages import ensure_packages
from lab.project import Project
from migration.images import stage
from migration.images.facts import CONTENT

pytestmark = pytest.mark.lab

SIZE = 24 * 2**20
DESKTOP = {"from": "stein", "format": "raw", "properties": {"os_version": "22.04"}}
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module", autouse=True)
def qemu() -> None:
    ensure_packages(["qemu-utils"], print)


@pytest.fixture(autouse=True)
def staged(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of the test's own for what is on its way; the provider process is told by its environment."""
    monkeypatch.setitem(project.environment, "XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VISA_MIGRATION_CACHE", raising=False)
    return stage.stage_directory()


def disk(directory: Path, name: str, seed: bytes = b"1") -> tuple[Path, str]:
    """Make a qcow2 of content that does not compress; return it, and the SHA-512 of the disk inside."""
    raw = directory / f"{name}.raw"
    block = hashlib.shake_256(seed).digest(1 << 20)
    raw.write_bytes(b"".join(bytes([number]) + block[1:] for number in range(SIZE >> 20)))
    made = directory / f"{name}.qcow2"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(made)], check=True)
    return made, hashlib.sha512(raw.read_bytes()).hexdigest()


def in_stein(project: Project, name: str, path: Path, **more: Any) -> str:
    body = {"name": name, "disk_format": "qcow2", "container_format": "bare", **more}
    with asking(project, "stein") as stein:
        made = str(stein.image.post("/images", json=body).json()["id"])
        stein.image.put(f"/images/{made}/file", data=path.read_bytes(), headers=BYTES).raise_for_status()
    return made


def in_caracal(project: Project, name: str) -> list[dict[str, Any]]:
    """Return all images of that name, hidden ones too, as Glance says them."""
    with asking(project, "caracal") as caracal:
        both = [
            row
            for hidden in ("", "&os_hidden=true")
            for row in caracal.image.get(f"/images?name={name}{hidden}").json()["images"]
        ]
    return sorted(both, key=lambda row: str(row["created_at"]))


@pytest.fixture
def desktop(project: Project, tmp_path: Path) -> Iterator[str]:
    """The SHA-512 of the disk inside an image that Stein has and the config asks for as raw."""
    made, inside = disk(tmp_path, "desktop")
    in_stein(project, "desktop", made, hw_disk_bus="scsi", os_distro="ubuntu", min_disk=1)
    with project.changed(images={"desktop": DESKTOP}):
        yield inside
    with asking(project, "stein") as stein:
        for image in [*stein.image.images(name="desktop")]:
            stein.image.delete_image(image.id)
    for row in in_caracal(project, "desktop"):
        with asking(project, "caracal") as caracal:
            caracal.image.update_image(row["id"], is_protected=False)
            caracal.image.delete_image(row["id"])


def test_an_image_arrives_raw_with_its_properties_and_the_second_up_does_nothing(
    project: Project, desktop: str, staged: Path
) -> None:
    shown = project.preview("caracal", "--diff").stdout
    assert "image desktop: copied from stein; now: copy, update" in shown
    assert in_caracal(project, "desktop") == []
    project.up()
    (there,) = in_caracal(project, "desktop")
    assert (there["status"], there["disk_format"], there["size"], there["os_hash_value"]) == (
        "active", "raw", SIZE, desktop,
    )  # fmt: skip
    assert (there["visibility"], there["protected"], there["min_disk"]) == ("public", True, 1)
    assert {key: there[key] for key in ("hw_disk_bus", "os_distro", "os_version")} == {
        "hw_disk_bus": "scsi", "os_distro": "ubuntu", "os_version": "22.04",
    }  # fmt: skip
    assert list(staged.iterdir()) == []
    project.preview("caracal", "--expect-no-changes")

    otherwise = {**DESKTOP, "visibility": "community", "properties": {"os_version": "24.04"}}
    with project.changed(images={"desktop": otherwise}):
        assert "differs in os_version, visibility; now: update" in project.preview().stdout
        project.up()
        (changed,) = in_caracal(project, "desktop")
        assert (changed["id"], changed["visibility"], changed["os_version"]) == (there["id"], "community", "24.04")
        project.preview("caracal", "--expect-no-changes")


def test_an_image_that_changed_at_its_source_is_a_new_one_and_the_one_before_stays_hidden(
    project: Project, desktop: str, tmp_path: Path
) -> None:
    project.up()
    (before,) = in_caracal(project, "desktop")
    with asking(project, "stein") as stein:
        stein.image.delete_image(next(iter(stein.image.images(name="desktop"))).id)
    project.preview("caracal", "--expect-no-changes")  # what is there stays, whatever became of its source
    second, inside = disk(tmp_path, "second", b"2")
    in_stein(project, "desktop", second)
    assert "now: copy, update, hide-older" in project.preview().stdout
    project.up()
    first, new = in_caracal(project, "desktop")
    assert (first["id"], first["os_hidden"], first["os_hash_value"], first["status"]) == (
        before["id"], True, desktop, "active",
    )  # fmt: skip
    assert (new["os_hidden"], new["os_hash_value"]) == (False, inside)
    project.preview("caracal", "--expect-no-changes")


def test_what_a_killed_run_left_is_used_or_cleared_away(project: Project, desktop: str, staged: Path) -> None:
    with asking(project, "stein") as stein:
        source = next(iter(stein.image.images(name="desktop")))
        whole = stein.image.get(f"/images/{source.id}/file").content
    (staged / f"sha512-{source.hash_value}.part").write_bytes(whole[: SIZE // 3])
    with asking(project, "caracal") as caracal:  # the upload of a run that was killed in it
        left = caracal.image.post(
            "/images",
            json={"name": "desktop", "disk_format": "raw", "container_format": "bare",
                  CONTENT: f"sha512:{source.hash_value} as raw"},
        ).json()["id"]  # fmt: skip
    project.up()
    (there,) = in_caracal(project, "desktop")
    assert there["id"] != left
    assert there["os_hash_value"] == desktop


def test_a_download_that_was_spoilt_is_refused_and_begun_anew(project: Project, desktop: str, staged: Path) -> None:
    with asking(project, "stein") as stein:
        source = next(iter(stein.image.images(name="desktop")))
    part = staged / f"sha512-{source.hash_value}.part"
    part.write_bytes(b"x" * 4096)
    failed = project.up(check=False)
    assert failed.returncode
    assert f"expected sha512:{source.hash_value}" in failed.stdout
    assert in_caracal(project, "desktop") == []
    assert not part.exists()
    project.up()
    assert in_caracal(project, "desktop")[0]["os_hash_value"] == desktop


def test_an_image_of_somebody_else_is_never_touched(project: Project, desktop: str) -> None:
    with asking(project, "caracal") as caracal:
        theirs = caracal.image.post(
            "/images", json={"name": "desktop", "disk_format": "raw", "container_format": "bare"}
        ).json()["id"]
    refused = project.preview(check=False)
    assert refused.returncode
    assert f"images.desktop: caracal has an image of this name that visa-migration did not make ({theirs})" in (
        refused.stdout.replace("\n", " ")
    )


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_images_come_from_files_and_web_servers_whose_checksum_was_reviewed(project: Project, tmp_path: Path) -> None:
    made, _ = disk(tmp_path, "other")
    checksum = hashlib.sha512(made.read_bytes()).hexdigest()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/other.qcow2"
        served = {"from": "url", "url": url, "sha512": checksum, "format": "raw"}
        filed = {"from": "file", "path": str(made), "sha512": "0" * 128}
        with project.changed(images={"filed": filed, "served": served}):
            failed = project.up(check=False)
        assert f"{made} gives sha512:{checksum}, expected sha512:000" in failed.stdout
        assert in_caracal(project, "served")[0]["disk_format"] == "raw"  # one that fails does not stop the others
        with project.changed(images={"filed": {**filed, "sha512": checksum}, "served": served}):
            project.up()
            (there,) = in_caracal(project, "filed")
            assert (there["os_hash_value"], there["size"]) == (checksum, made.stat().st_size)
            assert there["disk_format"] == "qcow2"
            assert made.exists()
            project.preview("caracal", "--expect-no-changes")
        server.shutdown()


def test_an_image_that_refers_to_files_of_this_machine_is_refused(project: Project, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 4096)
    bad = tmp_path / "bad.qcow2"
    command = ["qemu-img", "create", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(bad)]
    subprocess.run(command, check=True, capture_output=True)
    identity = in_stein(project, "bad", bad)
    with project.changed(images={"bad": {"from": "stein", "format": "raw"}}):
        failed = project.up(check=False)
    assert failed.returncode
    assert "refers to other files" in failed.stdout
    assert in_caracal(project, "bad") == []
    assert [json.loads(line)["result"] for line in project.audit.read_text().splitlines()][-1] == "failed"
    with asking(project, "stein") as stein:
        stein.image.delete_image(identity)
