"""What a driver is: a few pure functions from values to plans."""

from __future__ import annotations

from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import ClassVar, Protocol

    from netkit.errors import UsageError
    from netkit.model import AttachRequest, Endpoint, Lease, Network, PeerHost
    from netkit.plan.host import Host
    from netkit.plan.ops import Op
    from netkit.plan.steps import Plan
else:
    Protocol = object


class Attachment(Value):
    """What a driver answers: the plan, and the endpoint that the plan makes."""

    plan: Plan
    endpoint: Endpoint


class Options(Value):
    """A driver's own options of a network, checked."""


class Driver(Protocol):
    """A mode. No I/O, no clock, no randomness: the same question always gets the same answer."""

    name: ClassVar[str]

    def parse_options(self, raw: Mapping[str, object], at: str) -> Options:
        """Check a network's options; ConfigError carries the path `at`."""

    def network_up(self, net: Network, host: Host) -> Plan:
        """What the network itself needs, before its first attachment."""

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        """One namespace on that network."""


class HostWide(Protocol):
    """A driver whose networks share something host-wide: forwarding, the rule frame."""

    def host_up(self, net: Network, host: Host) -> Plan:
        """What the host lacks for this network; taken back with the last network."""


class Shareable(Protocol):
    """A driver whose networks may live on one device, two and more."""

    def share(self, net: Network, other: Network) -> str:
        """Why these two cannot, "" when they can."""


class Adjustable(Protocol):
    """A driver with options that may change while a network is in use."""

    #: Options that are asked for at an attachment alone: those that come later get what they say by then.
    per_attachment: ClassVar[tuple[str, ...]]


class Addressed(Protocol):
    """A driver whose networks have subnets and a device of their own."""

    def device(self, net: Network) -> str:
        """The name of the link that a network lives on."""

    def needs_subnet(self, net: Network) -> bool:
        """Whether a network without a subnet is to be given one."""


class Leased(Protocol):
    """A driver whose networks have their subnets for a time only, which somebody renews."""

    leased: ClassVar[bool]


class Meeting(Protocol):
    """A driver whose networks span hosts."""

    def peer(self, net: Network, peer: PeerHost, host: Host) -> Plan:
        """What lets another host in, and leads to it; ConflictError or ConfigError when it cannot be."""

    def own(self, net: Network) -> tuple[str, ...]:
        """The links whose forwarding and neighbour entries are all the network's: what no plan has there is stale."""


class Learning(Protocol):
    """A driver whose plans hold errands, which answer only when the first half of a plan is carried out."""

    def learn(
        self, net: Network, req: AttachRequest, first: Attachment, answers: Mapping[Op, object], host: Host
    ) -> Attachment:
        """The whole attachment; its plan begins with the first half."""


class Foreseeing(Protocol):
    """A learning driver that can tell something of the second half before, to whoever only wants to see the plan."""

    def foresee(self, net: Network, req: AttachRequest, first: Attachment, host: Host) -> Plan:
        """What is known of it, with a `Later` for what is not."""


class Sharing(Protocol):
    """A mode whose processes are started in a namespace that is there already, so that nothing is attached."""

    @property
    def whose(self) -> str:
        """The namespace's owner: "" the host, else a PID, an attachment or a container."""

    def immovable(self) -> UsageError:
        """Why a process that runs already cannot be attached in this mode."""


class OnParent(Protocol):
    """A driver whose networks are built on a link of the host, `Network.parent`.

    When a network is made without one, it gets the link of the way out; from then on the name stands in its definition.
    """

    takes_parent: ClassVar[bool]

    def ready(self, net: Network, host: Host) -> None:
        """Raise what would stop an attachment to a network that is up, its parent's loss for example."""

    def taken(self, net: Network, host: Host) -> tuple[str, ...]:
        """Addresses of the network's subnets that others are known to have: containers get none of them."""
