"""Leases in etcd that keep keys alive: one for what a host has, and a short one that says that it lives.

To keep a lease alive changes no key, so nobody is told of a heartbeat, and etcd's history does not grow by it.
"""

from __future__ import annotations

from netkit.stores.etcd.gateway import RefusedError, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from netkit.stores.etcd.gateway import Gateway
    from netkit.stores.etcd.mirror import Entry

_NOT_FOUND = 5


class Alive:
    """One lease, of `ttl` seconds by etcd's clock; `id` is 0 until there is one."""

    def __init__(self, gateway: Gateway, ttl: int) -> None:
        self.gateway = gateway
        self.ttl = ttl
        self.id = 0

    def keep(self, known: int = 0) -> int:
        """The lease, made to last for its whole time again: ours, or the `known` one, or a new one."""
        for lease in (self.id, known):
            if lease and self._extend(lease):
                self.id = lease
                return lease
        self.id = self._number("lease/grant", {"TTL": str(self.ttl), "ID": "0"}, lambda answer: answer["ID"])
        return self.id

    def age(self, lease: int) -> float:
        """For how many seconds a lease such as this one has not been kept alive."""
        left = int(self.gateway.call("lease/timetolive", {"ID": str(lease)}).get("TTL", -1))
        return max(float(self.ttl - left), 0.0)

    def end(self) -> None:
        """Let it go, and the keys that it holds with it."""
        if not self.id:
            return
        try:
            self.gateway.call("lease/revoke", {"ID": str(self.id)})
        except RefusedError as error:
            if error.code != _NOT_FOUND:
                raise
        self.id = 0

    def _extend(self, lease: int) -> bool:
        return self._number("lease/keepalive", {"ID": str(lease)}, lambda answer: answer["result"].get("TTL", 0)) > 0

    def _number(self, path: str, body: dict[str, Any], pick: Callable[[dict[str, Any]], Any]) -> int:
        answer = self.gateway.call(path, body)
        try:
            return int(pick(answer))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self.gateway.nonsense() from error


class Change:
    """Changes of keys that are made together, or not at all when a key is not any more as we saw it."""

    def __init__(self) -> None:
        self._compare: list[dict[str, Any]] = []
        self._then: list[dict[str, Any]] = []

    def put(self, key: str, seen: Entry | None, value: bytes, lease: int) -> None:
        """Write a key that is as it was seen, None when it was not there; it lasts as long as the lease, 0 for ever."""
        self._unchanged(key, seen)
        self._then.append({"request_put": {"key": encode(key), "value": encode(value), "lease": str(lease)}})

    def delete(self, seen: Entry) -> None:
        """Remove a key that is as it was seen."""
        self._unchanged(seen.key, seen)
        self._then.append({"request_delete_range": {"key": encode(seen.key)}})

    def none_since(self, first: str, end: str, revision: int) -> None:
        """Only if none of the keys from `first` to before `end` was written after that revision."""
        self._require(first, "MOD", "LESS", "mod_revision", revision + 1, {"range_end": encode(end)})

    def is_empty(self) -> bool:
        """Whether there is nothing to change."""
        return not self._then

    def make(self, gateway: Gateway) -> bool:
        """Whether it was made; nothing to change is made at once."""
        if self.is_empty():
            return True
        answer = gateway.call("kv/txn", {"compare": self._compare, "success": self._then, "failure": []})
        return answer.get("succeeded") is True

    def _unchanged(self, key: str, seen: Entry | None) -> None:
        self._require(key, "MOD", "EQUAL", "mod_revision", seen.changed if seen else 0, {})

    def _require(self, key: str, target: str, result: str, name: str, value: int, more: dict[str, str]) -> None:
        self._compare.append({"key": encode(key), "target": target, "result": result, name: str(value), **more})
