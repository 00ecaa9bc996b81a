"""Records: one file an attachment, all that detach, check, reload and garbage collection need to know.

A record is named by its id. While an attachment is being taken down, its record stands in `detaching/`: the move needs
no new bytes, so it works on a full disk, and whoever finds it there after a crash finishes the work.
"""

from __future__ import annotations

from netkit.errors import ConflictError, NotFoundError
from netkit.model import Endpoint
from netkit.plan import rules as _rules  # noqa: F401 - a record's plan holds rules: reading it needs their kinds
from netkit.plan.steps import Plan
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        """Put an attachment's record in place."""
        self.root.attachments.save(record.id, record)

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
        named = [record for record in self._about(text) if record.endpoint.name == text]
        found = named or [record for record in map(self.load, self._beginning(text)) if record]
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

    def of_netns(self, inode: int, cookie: int = 0) -> tuple[Record, ...]:
        """The records of one network namespace; a cookie of 0, here or there, matches any."""

        def same(record: Record) -> bool:
            netns = record.endpoint.netns
            return netns.inode == inode and (not cookie or not netns.cookie or netns.cookie == cookie)

        return tuple(record for record in self.all() if same(record))

    def forget(self, attachment: str) -> None:
        """Forget an attachment that never came to be."""
        self.root.attachments.unlink(attachment)

    def begin_detach(self, attachment: str) -> bool:
        """Mark an attachment as being taken down; False when it has no record."""
        return self.root.attachments.rename(attachment, self.root.detaching, attachment)

    def load_detaching(self, attachment: str) -> Record | None:
        """The record of an attachment that is being taken down, None when there is none."""
        return self.root.detaching.load(attachment, Record)

    def finish_detach(self, attachment: str) -> None:
        """Forget an attachment that was taken down."""
        self.root.detaching.unlink(attachment)

    def detaching(self) -> tuple[Record, ...]:
        """The attachments whose taking down was begun and not finished."""
        return tuple(self.root.detaching.values(Record))

    def _about(self, text: str) -> tuple[Record, ...]:
        return tuple(self.root.attachments.values(Record, holding=text)) if text else ()

    def _beginning(self, text: str) -> list[str]:
        return [name for name in self.root.attachments.names() if text and name.startswith(text)]
