"""Records and networks: found again by what people call them, after crashes and damage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netkit.errors import ConflictError, NotFoundError
from netkit.model import Endpoint, Network, NsRef, PortMap
from netkit.naming import attachment_id
from netkit.plan.ops import LinkAdd, RulesAdd
from netkit.plan.rules import Publish
from netkit.plan.steps import Plan
from netkit.state.networks import HOST, Networks, Up
from netkit.state.records import Record, Records
from netkit.state.root import Root

PLAN = Plan.of(
    (LinkAdd("nk1", "veth", 28267), "the cable"),
    (RulesAdd((Publish("x", "tcp", "::", 80, "fd00::2", 80, "netkit0"),), "nftables"), "the port"),
)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(str(tmp_path / "root"))


@pytest.fixture
def records(root: Root) -> Records:
    return Records(root)


def record(container: str, name: str = "", ident: str = "", inode: int = 0, cookie: int = 0) -> Record:
    ident = ident or attachment_id("bridge", container, "eth0")
    netns = NsRef(f"/run/netns/{container}", inode, cookie)
    port = PortMap("tcp", "0.0.0.0", 80, 80)
    return Record(Endpoint(ident, "bridge", "bridge", container, "eth0", netns, name, ports=(port,)), PLAN, "boot", 7)


def test_a_record_comes_back_with_its_plan(records: Records) -> None:
    web = record("web")
    records.save(web)
    assert records.load(web.id) == web
    assert records.load("0" * 12) is None


def test_a_fresh_process_can_read_a_record(records: Records) -> None:
    """Every kind of value that a plan may hold is known to whoever imports the records, and nothing else."""
    records.save(record("web"))
    code = "import sys; from netkit.state.records import Records; from netkit.state.root import Root;"
    code += "print(len(Records(Root(sys.argv[1])).all()[0].plan))"
    done = subprocess.run([sys.executable, "-c", code, records.root.path], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n", done.stderr


def test_a_record_is_found_by_id_by_name_and_by_the_beginning_of_its_id(records: Records) -> None:
    web = record("web", name="shop", ident="abc123abc123")
    records.save(web)
    records.save(record("db", ident="abd123abc123"))
    assert records.find("abc123abc123") == web
    assert records.find("shop") == web
    assert records.find("abc") == web


def test_a_name_goes_before_the_beginning_of_an_id(records: Records) -> None:
    records.save(record("web", ident="cafe00000000"))
    named = record("db", name="cafe", ident="111111111111")
    records.save(named)
    assert records.find("cafe") == named


@pytest.mark.parametrize("text", ["nobody", "", "../x", "*"])
def test_nobody_is_found_by_what_nobody_is_called(records: Records, text: str) -> None:
    records.save(record("web"))
    with pytest.raises(NotFoundError):
        records.find(text)


def test_what_may_mean_two_is_refused(records: Records) -> None:
    records.save(record("web", ident="ab1111111111"))
    records.save(record("db", ident="ab2222222222"))
    with pytest.raises(ConflictError, match="ab1111111111, ab2222222222"):
        records.find("ab")


def test_finding_by_id_reads_no_other_record(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        records.save(record(f"c{number}"))
    opened: list[str] = []
    real = os.open

    def watched(name: str, *args: Any, **given: Any) -> int:
        opened.append(name)
        return real(name, *args, **given)

    monkeypatch.setattr(os, "open", watched)
    wanted = record("c7").id
    assert records.find(wanted).endpoint.container == "c7"
    assert opened == [wanted]


def test_records_of_a_container_and_of_a_namespace(records: Records) -> None:
    web, db = record("web", inode=1, cookie=5), record("db", inode=1, cookie=6)
    records.save(web)
    records.save(db)
    assert records.of_container("web") == (web,)
    assert records.of_container("we") == ()
    assert records.of_netns(1, 5) == (web,)
    assert records.of_netns(1, 7) == ()
    old = record("old", inode=1)
    records.save(old)
    assert records.of_netns(1) == (old,)
    assert records.of_netns(2) == ()


def test_detaching_moves_the_record_and_forgets_it_at_the_end(records: Records) -> None:
    web = record("web")
    records.save(web)
    assert records.begin_detach(web.id)
    assert not records.begin_detach(web.id)
    assert records.load(web.id) is None
    assert records.detaching() == (web,)
    records.finish_detach(web)
    records.finish_detach(web)
    assert records.detaching() == ()
    assert records.root.by_netns.names() == []


def test_an_attachment_stands_among_the_records_once_it_is_made(records: Records) -> None:
    web, db = record("web"), record("db")
    records.begin_attach(web)
    records.begin_attach(db)
    assert records.load(web.id) is None
    records.finish_attach(web.id)
    records.abandon(db)
    assert records.all() == (web,)
    assert records.attaching() == ()
    records.reopen(web.id)
    assert records.attaching() == (web,)
    assert records.all() == ()


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b"\0" * 100])
def test_a_damaged_record_is_set_aside_and_blocks_nobody(root: Root, records: Records, damage: bytes) -> None:
    web, db = record("web"), record("db")
    records.save(web)
    records.save(db)
    Path(root.attachments.path, web.id).write_bytes(damage)
    assert records.all() == (db,)
    assert [web.id in warning for warning in root.warnings] == [True]
    records.save(web)
    assert set(records.all()) == {web, db}


def test_networks_last_and_what_is_up_of_them_does_not(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = Networks(root)
    web = Network("web", "bridge", "netkit0")
    monkeypatch.setenv("NETKIT_BOOT_ID", "first")
    networks.save(web)
    networks.save_up(Up("web", PLAN, root.boot_id()))
    networks.save_up(Up(HOST, PLAN, root.boot_id()))
    assert {up.network for up in networks.all_up()} == {"web", HOST}
    monkeypatch.setenv("NETKIT_BOOT_ID", "second")
    assert networks.up("web") is None
    assert networks.all_up() == ()
    assert networks.load("web") == web
    assert networks.all() == (web,)
    assert networks.remove("web")
    assert not networks.remove("web")
    assert networks.load("web") is None


def test_a_network_that_is_down_is_forgotten(root: Root) -> None:
    networks = Networks(root)
    networks.save_up(Up("web", PLAN, root.boot_id()))
    assert networks.up("web") == Up("web", PLAN, root.boot_id())
    assert networks.forget_up("web")
    assert not networks.forget_up("web")


def test_state_that_lasts_is_apart_from_what_a_reboot_clears(root: Root, tmp_path: Path) -> None:
    Networks(root).save(Network("web", "bridge"))
    Records(root).save(record("web"))
    assert (tmp_path / "root" / "lib" / "networks" / "web").is_file()
    assert (tmp_path / "root" / "run" / "attachments" / record("web").id).is_file()
    assert root.networks.durable
    assert not root.attachments.durable


def test_forgetting_a_network_clears_its_addresses(root: Root) -> None:
    root.ipam("web").sub("10.0.0.0_24").write("10.0.0.2", b"x")
    root.ipam("db").write("a", b"x")
    root.reservations("web").write("10.0.0.9", b"x")
    root.forget_network("web")
    root.forget_network("web")
    assert root.ipam("web").names() == []
    assert root.reservations("web").names() == []
    assert root.ipam("db").names() == ["a"]


def test_the_boot_id_is_the_kernels(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETKIT_BOOT_ID", raising=False)
    assert root.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
