"""Galera, RabbitMQ and HAProxy of a controller, over real HTTP.

The answers are those of real ones: RabbitMQ 3.10 (three nodes, one stopped, with a quorum queue), HAProxy 2.6 (Kolla's
stanzas), and what clustercheck writes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from migration.adapters import members
from migration.adapters.control import Control, Service
from migration.adapters.members import HAProxy, RabbitMQ, galera
from migration.errors import CloudUnreachable, MemberSilent
from migration.kolla.health import MEMBER, System, forbids
from migration.kolla.look import ControlPlane, Ports
from migration.kolla.roll import Member

HERE = "127.0.0.1"
PASSWORD = "s3cret"
STATS = (Path(__file__).parent / "haproxy-2.6-stats.csv").read_text()
FINE = [{"name": f"rabbit@ctl{number}", "running": True, "partitions": []} for number in (1, 2, 3)]
ONE_STOPPED = [*FINE[:2], {"name": "rabbit@ctl3", "running": False}]
JUST_STARTED = [*FINE[:2], {"name": "rabbit@ctl3", "running": True}]
PARTED = [*FINE[:2], {"name": "rabbit@ctl3", "running": True, "partitions": ["rabbit@ctl1", "rabbit@ctl2"]}]
LOSES = "There are quorum queues that would lose their quorum if the target node is shut down"
CRITICAL = {"status": "failed", "reason": LOSES, "queues": [{"name": "nova.q", "type": "quorum", "virtual_host": "/"}]}


@contextlib.contextmanager
def served(answers: dict[str, tuple[int, str]], *, password: str = PASSWORD) -> Iterator[int]:
    """Serve answers by path to who knows the password; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = "Basic " + base64.b64encode(f"openstack:{password}".encode()).decode()
            status, body = answers.get(self.path, (404, "{}"))
            if self.headers.get("Authorization") != expected:
                status, body = 401, '{"error":"not_authorized","reason":"Login failed"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HERE, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def clustercheck(answer: bytes, resets: int = 0, address: str = HERE, port: int = 0) -> Iterator[int]:
    """Answer as socat with clustercheck does: without reading what is asked, so a reset may be what arrives."""
    with socket.create_server((address, port)) as listener:
        listener.settimeout(0.01)
        done = threading.Event()

        def serve() -> None:
            count = 0
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    with connection:
                        count += 1
                        if count <= resets:
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                        else:
                            connection.recv(65536)  # or this kernel, too, might reset it
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def says(status: str, text: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(text) + 2}\r\n\r\n{text}\r\n".encode()


SYNCED = says("200 OK", "Galera cluster node is synced.")
NOT_SYNCED = says("503 Service Unavailable", "Galera cluster node is not synced.")


@pytest.fixture
def closed() -> int:
    """A port where nobody listens."""
    with socket.create_server((HERE, 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(SYNCED, (200, "Galera cluster node is synced.")), (NOT_SYNCED, (503, "Galera cluster node is not synced."))],
)
def test_clustercheck(answer: bytes, expected: tuple[int, str]) -> None:
    with clustercheck(answer) as port:
        assert galera(HERE, port) == expected


def test_clustercheck_that_is_reset_now_and_then() -> None:
    with clustercheck(SYNCED, resets=members.TRIES - 1) as port:
        assert galera(HERE, port)[0] == 200
    with clustercheck(SYNCED, resets=members.TRIES) as port:
        assert galera(HERE, port)[0] == 0


def test_nobody_listens(closed: int) -> None:
    status, text = galera(HERE, closed)
    assert (status, text) == (0, f"http://{HERE}:{closed}/ did not answer (ConnectionError)")
    for ask in (RabbitMQ(HERE, "openstack", "x", closed).nodes, HAProxy(HERE, "openstack", "x", closed).read):
        with pytest.raises(MemberSilent, match="did not answer"):
            ask()


def test_somebody_listens_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "TIMEOUT", 0.2)
    with socket.create_server((HERE, 0)) as mute:
        status, text = galera(HERE, mute.getsockname()[1])
    assert (status, text.partition("did not answer ")[2]) == (0, "(ReadTimeout)")


@pytest.mark.parametrize(
    ("rows", "third"),
    [
        (FINE, ""),
        (ONE_STOPPED, "not running"),
        (JUST_STARTED, "running, and has not reported yet"),
        (PARTED, "parted from rabbit@ctl1, rabbit@ctl2"),
    ],
)
def test_what_rabbitmq_says_of_each_node(rows: list[dict[str, Any]], third: str) -> None:
    with served({"/api/nodes?columns=name,running,partitions": (200, json.dumps(rows))}) as port:
        assert RabbitMQ(HERE, "openstack", "s3cret", port).nodes() == {"ctl1": "", "ctl2": "", "ctl3": third}


@pytest.mark.parametrize(("answer", "reason"), [((200, '{"status":"ok"}'), ""), ((503, json.dumps(CRITICAL)), LOSES)])
def test_whether_queues_need_a_node(answer: tuple[int, str], reason: str) -> None:
    with served({"/api/health/checks/node-is-quorum-critical": answer}) as port:
        assert RabbitMQ(HERE, "openstack", "s3cret", port).critical() == reason


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>"),
        (200, '{"a": 1}'),
        (200, "[1]"),
        (200, '[{"name": null}]'),
        (200, "null"),
        (500, "[]"),
        (503, "x"),
    ],
)
def test_what_is_no_answer_of_rabbitmq_is_silence(answer: tuple[int, str]) -> None:
    paths = ("/api/nodes?columns=name,running,partitions", "/api/health/checks/node-is-quorum-critical")
    with served(dict.fromkeys(paths, answer)) as port:
        api = RabbitMQ(HERE, "openstack", "s3cret", port)
        for ask in (api.nodes, api.critical):
            with pytest.raises(MemberSilent):
                ask()


def test_no_password_is_ever_told() -> None:
    with served({}, password="another") as port:
        asks: list[Callable[[], object]] = [
            RabbitMQ(HERE, "openstack", "s3cret", port).nodes,
            HAProxy(HERE, "openstack", "s3cret", port).read,
        ]
        for ask in asks:
            with pytest.raises(MemberSilent, match="401") as raised:
                ask()
            assert "s3cret" not in str(raised.value)


def test_what_haproxy_says() -> None:
    with served({"/;csv": (200, STATS)}) as port:
        servers, connections = HAProxy(HERE, "openstack", "s3cret", port).read()
    assert servers == {
        "keystone_internal_back": {"ctl1": "UP", "ctl2": "DOWN"},
        "mariadb_back": {"ctl1": "DOWN", "ctl2": "DOWN"},
    }
    assert connections == 1  # and none of those to the statistics themselves


@pytest.mark.parametrize("body", ["", "<html>\n<p>", "# a,b\n1,2\n"])
def test_what_are_no_statistics_is_silence(body: str) -> None:
    with served({"/;csv": (200, body)}) as port, pytest.raises(MemberSilent):
        HAProxy(HERE, "openstack", "s3cret", port).read()


# --------------------------------------------------------------------------------------------------- the control plane


class Unreachable(Control):
    """A cloud that does not answer; its log-in is what goes through the VIP."""

    def __init__(self, arrives: Callable[[], None] = lambda: None) -> None:
        self._arrives = arrives

    def apis(self) -> dict[str, str]:
        self._arrives()
        raise CloudUnreachable("caracal", "no answer")

    def services(self) -> list[Service]:
        raise CloudUnreachable("caracal", "no answer")


ADDRESSES = ("127.0.5.1", "127.0.5.2", "127.0.5.3")
MEMBERS = [Member(f"ctl{number}", "dc1", address) for number, address in enumerate(ADDRESSES, 1)]


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    path = tmp_path / "passwords.yml"
    path.write_text("rabbitmq_password: s3cret\nhaproxy_password: s3cret\n")
    return path


def same_port(stack: contextlib.ExitStack, serve: Callable[[str, int], contextlib.AbstractContextManager[int]]) -> int:
    """Serve at one port of all addresses."""
    first = stack.enter_context(serve(ADDRESSES[0], 0))
    for address in ADDRESSES[1:]:
        stack.enter_context(serve(address, first))
    return first


def test_a_look_at_three_members_of_which_one_is_not_synced(passwords: Path, closed: int) -> None:
    def check(address: str, port: int) -> contextlib.AbstractContextManager[int]:
        return clustercheck(NOT_SYNCED if address == ADDRESSES[2] else SYNCED, address=address, port=port)

    with contextlib.ExitStack() as stack:
        port = same_port(stack, check)
        ports = Ports(clustercheck=port, rabbitmq=closed, haproxy=closed)
        plane = ControlPlane(MEMBERS, ports, passwords, Unreachable)
        seen = plane.look("ctl1")
    healthy = {(sign.where, sign.healthy) for sign in seen.signs if sign.about[::2] == (System.GALERA, MEMBER)}
    assert healthy == {("ctl1", True), ("ctl2", True), ("ctl3", False)}
    assert seen.holder is None
    why = "\n".join(forbids(seen, MEMBERS, "ctl1"))
    for sentence in (
        "API identity: caracal: no answer",
        "service lists: caracal: no answer",
        "Galera member on ctl3: 503 Galera cluster node is not synced.",
        "Galera: 1 of 3 members would be left, a majority is 2",
        "RabbitMQ member on ctl2: http://127.0.5.2",
        "HAProxy itself on ctl3: http://127.0.5.3",
    ):
        assert sentence in why


@pytest.mark.parametrize("content", [None, "", "a: 1", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", "rabbitmq_password: [1]"])
def test_without_passwords_nothing_is_healthy_that_needs_them(tmp_path: Path, content: str | None, closed: int) -> None:
    path = tmp_path / "passwords.yml"
    if content is not None:
        path.write_text(content)
    ports = Ports(clustercheck=closed, rabbitmq=closed, haproxy=closed)
    seen = ControlPlane(MEMBERS, ports, path, Unreachable).look()
    asked = [
        sign
        for sign in seen.signs
        if sign.system in {System.RABBITMQ, System.HAPROXY} and sign.what != "services behind it"
    ]
    assert len(asked) == 6
    assert not any(sign.healthy for sign in asked)
    assert all("not asked: " in sign.detail and "kolla.passwords" in sign.detail for sign in asked)


@pytest.mark.parametrize(("grows", "holder"), [(["ctl2"], "ctl2"), ([], None), (["ctl1", "ctl2"], None)])
def test_who_holds_the_vips_is_told_by_whose_haproxy_takes_connections(
    passwords: Path, monkeypatch: pytest.MonkeyPatch, grows: list[str], holder: str | None
) -> None:
    connections = {"ctl1": 900, "ctl2": 7, "ctl3": 0}  # who held them before has the higher number

    def arrives() -> None:
        for name in grows:
            connections[name] += 1

    def read(proxy: HAProxy) -> tuple[dict[str, dict[str, str]], int]:
        return {}, next(connections[each.name] for each in MEMBERS if f"//{each.address}:" in proxy._url)

    monkeypatch.setattr(HAProxy, "read", read)
    plane = ControlPlane(MEMBERS, Ports(), passwords, lambda: Unreachable(arrives))
    assert plane.holder() == holder
