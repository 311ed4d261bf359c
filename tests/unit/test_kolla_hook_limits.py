"""What is asked of Ansible: never without a limit, never a word that the wrapper would split, and who is in reach."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.adapters import ansible
from migration.adapters.ansible import kolla_ansible, limit_of
from migration.errors import AnsibleError
from migration.kolla.inventory_facts import Inventory, secrets_in, without
from migration.kolla.own_hooks import own_hooks
from migration.settings import CaracalSettings, Hook, parse

HOME = Path("/opt/kolla/bin")


def command(limit: list[str], *, directory: str = "/srv/visa/kolla", **changes: object) -> tuple[str, ...]:
    there = Path(directory)
    options = {"limit": limit, **changes}
    return kolla_ansible(HOME, there, there / "inventory", there / "p.yml", "deploy", **options).argv  # type: ignore[arg-type]


def test_the_command() -> None:
    assert command(["cmp07", "cmp08"], options=("--tags", "nova")) == (
        *("/opt/kolla/bin/kolla-ansible", "deploy", "--configdir", "/srv/visa/kolla"),
        *("--inventory", "/srv/visa/kolla/inventory", "--passwords", "/srv/visa/kolla/p.yml"),
        *("--limit", "cmp07,cmp08", "--tags", "nova"),
    )


@pytest.mark.parametrize(
    "limit",
    [[], [""], ["all"], ["ungrouped"], ["*"], ["cmp*"], ["!cmp07"], ["&x"], ["cmp07:cmp08"], ["cmp07,"], ["@file"],
     ["cmp07", ""], ["~cmp"], ["cmp[1:3]"], [" "], ["cmp07\n"], ["-e"], ["cmp 07"]],
)  # fmt: skip
def test_no_limit_that_could_mean_another_host(limit: list[str]) -> None:
    with pytest.raises(AnsibleError, match="name"):
        command(limit)


@given(st.lists(st.text(max_size=20), max_size=4))
def test_a_limit_names_hosts_or_is_refused(hosts: list[str]) -> None:
    try:
        limit = limit_of(hosts)
    except AnsibleError:
        return
    assert limit.split(",") == hosts
    assert re.fullmatch(r"[A-Za-z0-9.,-]+", limit)


@pytest.mark.parametrize("directory", ["/srv/my visa", "/srv/$HOME", "/srv/*", "/srv/a;b", "/srv/(x)", "/srv/a'b"])
def test_a_path_that_the_wrapper_would_split_is_refused(directory: str) -> None:
    with pytest.raises(AnsibleError, match="kolla-ansible splits its arguments at spaces") as refused:
        command(["cmp07"], directory=directory)
    assert directory in str(refused.value)


def test_nothing_is_taken_from_our_environment_that_would_widen_a_run() -> None:
    assert {"EXTRA_OPTS", "ANSIBLE_LIMIT", "ANSIBLE_INVENTORY", "PASSWORDS_FILE"} <= set(ansible._SCRUBBED)


TOLD = {
    "_meta": {"hostvars": {}},
    "all": {"children": ["control", "compute", "deployment"]},
    "control": {"hosts": ["ctl1", "both"]},
    "compute": {"hosts": ["cmp01", "cmp02", "both", "control"]},
    "nodes_dc1": {"hosts": ["cmp01"]},
    "deployment": {"hosts": ["localhost"]},
}


def inventory() -> Inventory:
    return Inventory.of(Path("multinode"), TOLD)


def test_who_is_in_an_inventory() -> None:
    found = inventory()
    assert found.hosts == ("both", "cmp01", "cmp02", "control", "ctl1", "localhost")
    assert found.computes == {"cmp01", "cmp02", "both", "control"}
    assert found.computes_only == {"cmp01", "cmp02", "control"}
    found.check(["cmp01", "cmp02"])


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([], "no host is named"),
        (["cmp01", "cmp03"], "cmp03: not in the inventory multinode"),
        (["cmp01", "nodes_dc1"], "no name of one host"),
        (["nova"], "nova: not in the inventory"),
        (["control"], "control: also the name of a group"),
        (["ctl1"], "ctl1: in multinode, but not in its group compute"),
        (["cmp01", "cmp01"], "cmp01: named twice"),
    ],
)
def test_a_node_that_is_no_compute_host_is_refused(nodes: list[str], says: str) -> None:
    with pytest.raises(AnsibleError, match=re.escape(says)):
        inventory().check(nodes)


def test_an_inventory_without_a_host_keeps_all_else(tmp_path: Path) -> None:
    path = tmp_path / "inventory" / "multinode"
    (path.parent / "host_vars").mkdir(parents=True)
    (path.parent / "host_vars" / "cmp01.yml").write_text("x: 1\n")
    path.write_text(
        "[compute]\ncmp01 ansible_host=10.0.0.1\ncmp011\n\n[dc1]\ncmp01\n# cmp01\n[nova:children]\ncompute\n"
    )
    copy = without(Inventory.of(path, TOLD), {"cmp01"}, tmp_path / "copy")
    assert copy.read_text() == "[compute]\ncmp011\n\n[dc1]\n# cmp01\n[nova:children]\ncompute\n"
    assert (copy.parent / "host_vars" / "cmp01.yml").exists()


def test_what_must_not_be_logged(tmp_path: Path) -> None:
    path = tmp_path / "passwords.yml"
    path.write_text("a: hunter2\nkey:\n  private: |\n    LINE-ONE\n    LINE-TWO\nempty:\nlist: 12345678\n")
    assert secrets_in(path) == {"hunter2", "LINE-ONE", "LINE-TWO", "12345678"}
    path.write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n: {")
    assert secrets_in(path) == frozenset()
    assert secrets_in(tmp_path / "none") == frozenset()


def test_secrets_are_hidden_as_they_are_and_as_json() -> None:
    hide = ansible._hider(['pass"word\\', "hunter2pass", "hunter2", "short", ""])
    assert hide(f"x hunter2pass y short {json.dumps('pass' + chr(34) + 'word' + chr(92))}") == 'x *** y short "***"'


def settings(**more: object) -> CaracalSettings:
    raw: dict[str, object] = {"clouds": {"old": "stein", "new": "caracal"}, **more}
    found = parse("caracal", raw, source="Pulumi.caracal.yaml")
    assert isinstance(found, CaracalSettings)
    return found


def test_our_own_hooks_run_where_what_they_need_is_declared() -> None:
    assert own_hooks(settings()) == settings().hooks
    ours = own_hooks(settings(hooks={"old_ansible": {"inventory": "old/hosts"}}))
    assert ours.join is None
    assert ours.leave is not None
    assert ours.leave.argv == ("visa-migration", "hook", "leave", "{node}")
    assert ours.join_old is not None
    theirs = settings(hooks={"old_ansible": {"inventory": "old/hosts"}, "leave": {"argv": ["mine", "{node}"]}})
    assert own_hooks(theirs).leave == Hook(argv=("mine", "{node}"))
