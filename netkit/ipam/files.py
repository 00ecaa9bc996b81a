"""The addresses of a subnet, given out and kept in files.

A claim costs the same whatever is taken. Crashes lose no address and give none twice: each step leaves a state that the
next caller understands (see `netkit.ipam.claims` for the truth, `netkit.ipam.order` for the hint).
"""

from __future__ import annotations

import os
import time

from netkit.errors import ConflictError, PoolFullError, StateError
from netkit.ipam.claims import Claim, Claims
from netkit.ipam.order import NAME, Order
from netkit.ipam.pool import Pool
from netkit.model import Lease
from netkit.state.locks import lock
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from netkit.model import NsRef, Subnet
    from netkit.state.locks import Lock
    from netkit.state.root import Root

__all__ = ["Claim", "FilePool", "Reservation"]


class Reservation(Value):
    """An address that is never given out, since when (seconds since 1970); it lasts."""

    address: str
    created: int = 0


class FilePool:
    """The pool of one subnet of a network. Safe by itself: it has its own lock.

    `number` tells those of one network apart that are of the same subnet, each with a range of its own.

    A claim of an earlier boot is dead, and so is one for which `alive` is false: it is taken back when it stands in the
    way. Addresses come and go in bare canonical text.
    """

    def __init__(
        self,
        root: Root,
        network: str,
        subnet: Subnet,
        alive: Callable[[Claim], bool] = lambda claim: True,
        number: int = 0,
    ) -> None:
        self.root = root
        self.network = network
        self.subnet = subnet
        self.pool = Pool.of(subnet)
        self.alive = alive
        self._boot_id = root.boot_id()
        self._directory = root.ipam(network).sub(subnet.cidr.replace("/", "_") + (f"_{number}" if number else ""))
        self._claims = Claims(self._directory, self._boot_id)
        self._reserved = root.reservations(network)

    def preview(
        self, requested: str | None = None, others: Collection[str] = frozenset(), resting: int | None = None
    ) -> Lease:
        """What `claim` would give now, or the error that it would raise; nothing is changed.

        Of the addresses to choose from `others` are left out: another host has them. When more than `resting` have
        been given back, one of those comes before any that was never given out.
        """
        wanted = self.pool.check(requested) if requested else None
        with self._lock():
            if wanted:
                self._holder(wanted)
                return self._lease(wanted)
            order = self._order(os.O_RDONLY)
            turn = None
            if order.known and resting is not None and order.resting() > resting:
                turn = next((number for number in order.rested() if self._is_free(number, frozenset(), others)), None)
            if turn is None:
                turn = self._whose_turn(order, others)[0]
            return self._lease(self._address(turn))

    def pass_over(self, address: str) -> None:
        """That address, which was claimed by name, was the next of those that no other host has: go on from there."""
        index = self.pool.index(address)
        with self._lock():
            order = self._order(os.O_RDWR)
            if index is not None and order.known:
                order.pass_over(index)
                order.save()

    def claim(self, container: str, ifname: str, netns: NsRef | None = None, requested: str | None = None) -> Lease:
        """Take the requested address, or the next.

        ConflictError when it is taken or reserved, or when this owner already has one; ConfigError when it is not to
        be had from this subnet; PoolFullError when there is none left.
        """
        wanted = self.pool.check(requested) if requested else None
        with self._lock():
            self._refuse_second(container, ifname)
            if wanted and (dead := self._holder(wanted)):
                self._claims.drop(dead)
            order = self._order(os.O_RDWR)
            turn, dead_ones = self._whose_turn(order)
            address = wanted or self._address(turn)
            for claim in dead_ones:
                self._claims.drop(claim)
            self._take(Claim(address, container, ifname, netns, self._boot_id, int(time.time())), order, turn)
        return self._lease(address)

    def release(self, container: str, ifname: str) -> tuple[str, ...]:
        """Give back what an owner has; returns the addresses, () when it has none."""
        with self._lock():
            claim = self._claims.of(container, ifname)
            if claim is None:
                return ()
            self._drop(claim)
        return (claim.address,)

    def drop(self, claim: Claim) -> bool:
        """Give back exactly this claim; False when the address is free, or another's by now."""
        with self._lock():
            if self._claims.at(claim.address) != claim:
                return False
            self._drop(claim)
        return True

    def find(self, container: str, ifname: str) -> tuple[str, ...]:
        """The addresses that an owner has."""
        with self._lock():
            claim = self._claims.of(container, ifname)
        return (claim.address,) if claim else ()

    def claims(self) -> tuple[Claim, ...]:
        """All claims, dead ones included."""
        with self._lock():
            return tuple(self._claims.all())

    def reserve(self, address: str) -> bool:
        """Never give this address out; False when it is reserved already, ConflictError when it is taken."""
        address = self.pool.check(address)
        with self._lock():
            if self._reserved.load(address, Reservation):
                return False
            if dead := self._holder(address):
                self._claims.drop(dead)
            self._reserved.save(address, Reservation(address, int(time.time())))
        return True

    def unreserve(self, address: str) -> bool:
        """Give a reserved address back to the pool; False when it was not reserved."""
        address = self.pool.check(address)
        with self._lock():
            found = self._reserved.unlink(address)
            if found:
                self._push(address)
        return found

    def reservations(self) -> tuple[str, ...]:
        """The reserved addresses of this subnet."""
        return tuple(name for name in self._reserved.names() if self.pool.contains(name))

    def _lock(self) -> Lock:
        return lock(self.root, f"ipam-{self.network}")

    def _lease(self, address: str) -> Lease:
        return Lease(f"{address}/{self.pool.length}", self.subnet.gateway)

    def _is_dead(self, claim: Claim) -> bool:
        return claim.boot_id != self._boot_id or not self.alive(claim)

    def _order(self, flags: int) -> Order:
        # Each range of a subnet has an order of its own; the claims are the subnet's.
        name = f"{NAME}-{self.subnet.ip_range.replace('/', '_')}" if self.subnet.ip_range else NAME
        order = Order(self._directory, self.pool.size, self._boot_id, name)
        order.open(flags)
        return order

    def _whose_turn(self, order: Order, others: Collection[str] = frozenset()) -> tuple[int | None, list[Claim]]:
        """The number of the next free address, None when there is none, and the dead claims that made room for it.

        Only when the order knows of no free address are all claims looked at.
        """
        turn = self._pass_taken(order, frozenset(), others) if order.known else None
        if turn is not None:
            return turn, []
        dead = self._survey(order)
        return self._pass_taken(order, frozenset(claim.address for claim in dead), others), dead

    def _survey(self, order: Order) -> list[Claim]:
        """Make the order anew from all claims that live; returns the others."""
        dead, living = [], []
        for claim in self._claims.all():
            index = self.pool.index(claim.address)
            if self._is_dead(claim):
                dead.append(claim)
            elif index is not None:
                living.append(index)
        order.rebuild(living)
        return dead

    def _pass_taken(self, order: Order, free: frozenset[str], others: Collection[str]) -> int | None:
        """Go on to the first number that is neither taken, reserved nor another's; `free` are addresses about to be."""
        while (turn := order.next()) is not None:
            if self._is_free(turn, free, others):
                return turn
            order.advance()
        return None

    def _is_free(self, number: int, free: frozenset[str], others: Collection[str]) -> bool:
        if number >= self.pool.size:
            return False
        address = self.pool.address(number)
        known = address in others or self._reserved.exists(address)
        return not known and (address in free or not self._claims.taken(address))

    def _address(self, turn: int | None) -> str:
        if turn is not None:
            return self.pool.address(turn)
        taken = sum(self.pool.index(address) is not None for address in self._claims.addresses())
        reserved = sum(self.pool.index(address) is not None for address in self.reservations())
        raise PoolFullError(
            f"network {self.network} has no free address in {self.subnet.ip_range or self.subnet.cidr}: "
            f"{taken} of {self.pool.size} are taken, {reserved} reserved",
            "detach what is not needed, or release what belongs to the dead: netkit gc",
        )

    def _holder(self, address: str) -> Claim | None:
        """The dead claim of an address, None when it is free; ConflictError when it is taken or reserved."""
        if self._reserved.exists(address):
            hint = f"choose another, or: netkit ipam release {self.network} {address}"
            raise ConflictError(f"{address} is reserved on network {self.network}", hint)
        claim = self._claims.at(address)
        if claim and not self._is_dead(claim):
            raise ConflictError(
                f"{address} is taken by {claim.ifname} of {claim.container} on network {self.network}",
                "choose another, or leave it out to get a free one",
            )
        return claim

    def _refuse_second(self, container: str, ifname: str) -> None:
        claim = self._claims.of(container, ifname)
        if claim and not self._is_dead(claim):
            hint = "detach it first, or choose another --ifname"
            raise ConflictError(f"{container} already has {claim.address} on {self.network} for {ifname}", hint)
        if claim:
            self._drop(claim)

    def _take(self, claim: Claim, order: Order, turn: int | None) -> None:
        """Make a claim, then note how far the order got: the other way round, a crash would lose the address."""
        if not self._claims.make(claim):
            raise ConflictError(f"{claim.address} was taken meanwhile", "try again")
        try:
            if turn is not None and turn == self.pool.index(claim.address):
                order.advance()
            order.save()
        except StateError:
            self._claims.drop(claim)
            raise

    def _drop(self, claim: Claim) -> None:
        self._claims.drop(claim)
        self._push(claim.address)

    def _push(self, address: str) -> None:
        """Put a freed address at the end of the order."""
        index = self.pool.index(address)
        order = self._order(os.O_RDWR)
        if index is not None and order.known:
            order.push(index)
