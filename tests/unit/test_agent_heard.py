"""What an agent remembers of others: as long as the store tells of them."""

from __future__ import annotations

from netkit.agent.heard import Heard
from netkit.stores.model import Host, Seen, Snapshot


def told(*hosts: tuple[str, int], reachable: bool = True) -> Snapshot:
    return Snapshot(reachable, hosts=tuple(Seen(Host(node, "192.0.2.1", beat=beat)) for node, beat in hosts))


def test_when_a_host_was_heard_is_kept_as_long_as_the_store_tells_of_it() -> None:
    heard = Heard()
    assert heard.take(told(("a", 1), ("b", 1)))
    first = heard.heard["a"]
    assert not heard.take(told(("a", 1), ("b", 2)))
    assert heard.heard["a"] == first
    heard.take(told(reachable=False))
    assert set(heard.heard) == {"a", "b"}
    heard.take(told(("b", 2)))
    assert set(heard.heard) == {"b"}


def test_that_a_host_which_has_parted_is_forgotten_is_news() -> None:
    heard = Heard()
    assert heard.take(told(("b", 1)).replace(parted=(("a", "192.0.2.9"),)))
    assert not heard.take(told(("b", 2)).replace(parted=(("a", "192.0.2.9"),)))
    assert heard.take(told(("b", 3)))
    assert heard.found is not None
    assert heard.found.parted == ()
