"""Records: one file an attachment, all that detach, check, reload and garbage collection need to know.

A record is named by its id, and tells by the directory that it stands in how far its attachment is:

    attaching/   written before the first change      a crash leaves it here: take it back
    attachments/ moved here after the last            it holds
    detaching/   moved here before it is undone       a crash leaves it here: finish it

A move needs no new bytes, so taking down works on a full disk. Beside them, `by-netns/` has a link for each
attachment, named by its namespace and holding that one's inode and path: it is made after the record, while that is
attaching, and removed before it.
"""

from __future__ import annotations

from netkit.errors import ConflictError, NotFoundError
from netkit.model import Endpoint, NsRef
from netkit.plan import rules as _rules  # noqa: F401 - a record's plan holds rules: reading it needs their kinds
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.files import Directory
    from netkit.state.root import Root


class Record(Value):
    """An attachment that exists: its endpoint, the plan that made it, and in which boot.

    `created` is in seconds since 1970.
    """

    endpoint: Endpoint
    plan: Plan
    boot_id: str = ""
    created: int = 0

    @property
    def id(self) -> str:
        """The attachment's id."""
        return self.endpoint.id


class Records:
    """The records of one root. Damaged ones are set aside and named in the root's warnings."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def save(self, record: Record) -> None:
        """Put an attachment's record in place of what is there."""
        self._place(self.root.attachments, record)

    def begin_attach(self, record: Record) -> None:
        """Note what is about to be made."""
        self._place(self.root.attaching, record)

    def finish_attach(self, attachment: str) -> None:
        """Note that an attachment is made."""
        self.root.attaching.rename(attachment, self.root.attachments, attachment)

    def reopen(self, attachment: str) -> None:
        """Note that an attachment is not made after all, if that was noted: it is to be taken back."""
        self.root.attachments.rename(attachment, self.root.attaching, attachment)

    def abandon(self, record: Record) -> None:
        """Forget what was about to be made, and is not."""
        self.root.by_netns.unlink(_link(record))
        self.root.attaching.unlink(record.id)

    def attaching(self) -> tuple[Record, ...]:
        """The attachments whose making was begun and not finished."""
        return tuple(self.root.attaching.values(Record))

    def load(self, attachment: str) -> Record | None:
        """The record of exactly this id, None when there is none."""
        return self.root.attachments.load(attachment, Record)

    def find(self, text: str) -> Record:
        """The record that a person means: by id, by name, or by the beginning of an id.

        NotFoundError when there is none, ConflictError when there are several. Only an id is found without a look at
        the other records: a name goes before the beginning of an id, so that nobody detaches the wrong container.
        """
        if text.isalnum() and (record := self.load(text)):
            return record
        found = list(self.named(text)) or [record for record in map(self.load, self._beginning(text)) if record]
        if not found:
            raise NotFoundError(f"no attachment {text}", "netkit ps lists them")
        if len(found) > 1:
            ids = ", ".join(record.id for record in found)
            raise ConflictError(f"{text} may be any of {ids}", "give the whole id")
        return found[0]

    def all(self) -> tuple[Record, ...]:
        """Every record, in the order of their ids."""
        return tuple(self.root.attachments.values(Record))

    def of_container(self, container: str) -> tuple[Record, ...]:
        """The records of one container."""
        return tuple(record for record in self._about(container) if record.endpoint.container == container)

    def on(self, network: str) -> bool:
        """Whether a network has an attachment, or one that comes or goes at this moment."""
        places = (self.root.attachments, self.root.attaching, self.root.detaching)
        found = (record for place in places for record in place.values(Record, holding=network))
        return any(record.endpoint.network == network for record in found)

    def of_netns(self, inode: int, cookie: int = 0) -> tuple[Record, ...]:
        """The records of one network namespace, by its cookie, or by its inode where it has none."""
        return tuple(record for attachment in self._ids(inode, cookie) if (record := self.load(attachment)))

    def share(self, inode: int, cookie: int = 0) -> bool:
        """Whether a network namespace has an attachment, or one that comes or goes at this moment."""
        return bool(self._ids(inode, cookie))

    def lost(self) -> tuple[tuple[str, NsRef], ...]:
        """Attachments that the namespaces' links tell of and no record does, each with its namespace as it was.

        A record that moves on meanwhile is seen in one of its places, as they are looked at in the order of its life.
        """
        links = [(name.rpartition("+")[2], name) for name in self.root.by_netns.names()]
        places = (self.root.attaching, self.root.attachments, self.root.detaching)
        known = {name for place in places for name in place.names()}
        return tuple((ident, self._place_of(name)) for ident, name in links if ident not in known)

    def forget_lost(self, ident: str) -> None:
        """Remove the link of an attachment without a record."""
        for name in self.root.by_netns.names():
            if name.endswith(f"+{ident}"):
                self.root.by_netns.unlink(name)

    def named(self, name: str) -> tuple[Record, ...]:
        """The records that bear this name."""
        return tuple(record for record in self._about(name) if record.endpoint.name == name)

    def begin_detach(self, attachment: str) -> bool:
        """Mark an attachment as being taken down; False when it has no record."""
        return self.root.attachments.rename(attachment, self.root.detaching, attachment)

    def finish_detach(self, record: Record) -> None:
        """Forget an attachment that was taken down."""
        self.root.by_netns.unlink(_link(record))
        self.root.detaching.unlink(record.id)

    def detaching(self) -> tuple[Record, ...]:
        """The attachments whose taking down was begun and not finished."""
        return tuple(self.root.detaching.values(Record))

    def _place_of(self, link: str) -> NsRef:
        """The namespace that a link tells of; its path is "" where that is not known."""
        key, (inode, _, path) = link.partition("+")[0], (self.root.by_netns.pointed(link) or "").partition(" ")
        try:
            return NsRef(path, int(inode), 0 if key.startswith("inode") else int(key, 16))
        except ValueError:
            return NsRef("")

    def _place(self, directory: Directory, record: Record) -> None:
        index, link = self.root.by_netns, _link(record)
        directory.save(record.id, record)
        if index.exists(link):
            return
        try:
            index.point(link, f"{record.endpoint.netns.inode} {record.endpoint.netns.path}")
        except BaseException:
            directory.unlink(record.id)
            raise

    def _about(self, text: str) -> tuple[Record, ...]:
        return tuple(self.root.attachments.values(Record, holding=text)) if text else ()

    def _ids(self, inode: int, cookie: int) -> list[str]:
        start = f"{_key(inode, cookie)}+"
        return [name.removeprefix(start) for name in self.root.by_netns.names() if name.startswith(start)]

    def _beginning(self, text: str) -> list[str]:
        return [name for name in self.root.attachments.names() if text and name.startswith(text)]


def _key(inode: int, cookie: int) -> str:
    return f"{cookie:x}" if cookie else f"inode{inode:x}"


def _link(record: Record) -> str:
    netns = record.endpoint.netns
    return f"{_key(netns.inode, netns.cookie)}+{record.id}"
