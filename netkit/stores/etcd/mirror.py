"""The keys of a network as etcd had them at one revision, brought up to date with little: what changed, and how many.

A key that is there is in our copy, or was changed since. So when our copy and the changes together are as many keys as
etcd has, no key was deleted; when they are more, everything is read anew. Compaction is of no concern, as no past is
asked for.
"""

from __future__ import annotations

from netkit.errors import StateError
from netkit.stores.etcd.gateway import after, decode, encode
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.stores.etcd.gateway import Gateway

#: The most keys below one prefix; beyond that nobody could tell who has what.
KEYS = 200_000


class Entry(Value):
    """A key's value, the revisions that created and last changed it, and the lease that it ends with, 0 for none."""

    key: str
    value: bytes
    created: int
    changed: int
    lease: int = 0


class Mirror:
    """The keys below some prefixes (or the keys alone, where one does not end in /), all of one `revision`.

    `cluster` is the id that etcd gives itself; `version` is another number whenever anything has changed here.
    """

    def __init__(self, gateway: Gateway, prefixes: tuple[str, ...]) -> None:
        self.gateway = gateway
        self.prefixes = prefixes
        self.revision = 0
        self.cluster = ""
        self._entries: dict[str, dict[str, Entry]] = {prefix: {} for prefix in prefixes}
        self.version = 0
        self._odd = False

    def under(self, prefix: str) -> dict[str, Entry]:
        """The entries below one of the prefixes, by their whole keys."""
        return self._entries[prefix]

    def refresh(self) -> None:
        """Be as etcd is now; StateError when that cannot be, and then all stays as it was."""
        if self._odd or not self._read(self.revision):
            self._read(0)

    def _read(self, since: int) -> bool:
        """Take over what changed after a revision, everything after 0; False when keys are missing that we know."""
        reads = [{"request_range": _range(prefix, since)} for prefix in self.prefixes]
        answer = self.gateway.call("kv/txn", {"compare": [], "success": reads, "failure": []})
        try:
            header = answer["header"]
            revision, cluster = int(header["revision"]), str(header["cluster_id"])
            parts = [response["response_range"] for response in answer["responses"]]
            counts = [int(part.get("count", 0)) for part in parts]
            news = [_entries(part.get("kvs", [])) for part in parts]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.gateway.nonsense() from error
        if revision < self.revision:
            self._odd = True
            message = f"etcd at {self.gateway.name} went back from revision {self.revision} to {revision}"
            raise StateError(message, "it was restored or made anew: start netkit again where that is meant")
        if max(counts) > KEYS:
            raise StateError(f"etcd has more than {KEYS} keys below {self.prefixes[0]}", "see who writes there")
        known = [self._entries[prefix] if since else {} for prefix in self.prefixes]
        merged = [old | new for old, new in zip(known, news, strict=True)]
        if since and [len(one) for one in merged] != counts:
            return False
        self._odd = False
        if not since or any(news):
            self._entries = dict(zip(self.prefixes, merged, strict=True))
            self.version += 1
        self.revision, self.cluster = revision, cluster
        return True


def _range(prefix: str, since: int) -> dict[str, Any]:
    request: dict[str, Any] = {"key": encode(prefix)}
    if prefix.endswith("/"):
        request["range_end"] = encode(after(prefix))
    if since:
        request["min_mod_revision"] = str(since + 1)
    return request


def _entries(kvs: list[dict[str, Any]]) -> dict[str, Entry]:
    found = (
        Entry(
            decode(kv["key"]).decode("utf-8", "backslashreplace"),
            decode(kv.get("value", "")),
            int(kv["create_revision"]),
            int(kv["mod_revision"]),
            int(kv.get("lease", 0)),
        )
        for kv in kvs
    )
    return {entry.key: entry for entry in found}
