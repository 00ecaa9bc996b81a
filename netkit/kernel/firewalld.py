"""firewalld, asked and told by its own program: which sources are of which zone, until it restarts."""

from __future__ import annotations

from netkit.errors import KernelError, NetkitError
from netkit.kernel import spawn
from netkit.plan.firewall import words
from netkit.plan.rules import ZoneSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from netkit.plan.rules import Rule

_PROGRAM = "firewall-cmd"


def running() -> bool:
    """Whether a firewalld answers on this host."""
    return spawn.find(_PROGRAM) is not None and spawn.run([_PROGRAM, "--state"]).status == 0


class Firewalld:
    """The executor for `ZoneSource` rules; a command a rule."""

    name = "firewalld"

    def add(self, rules: Sequence[Rule]) -> None:
        """Add sources; when one fails, those before it are taken back."""
        for place, rule in enumerate(rules):
            complaint = self._told(rule, "add")
            if complaint and not self.held([rule]):
                self.delete(rules[:place])
                raise KernelError(f"firewall-cmd: {complaint}", hint="firewall-cmd --get-zones lists the zones")

    def delete(self, rules: Sequence[Rule]) -> None:
        """Remove sources; what is gone, with firewalld itself for example, is no error."""
        for rule in rules:
            complaint = self._told(rule, "delete")
            if complaint and self.held([rule]):
                raise KernelError(f"firewall-cmd: {complaint}")

    def forget(self, owner: str) -> None:
        """Sources bear nobody's mark."""

    def held(self, rules: Sequence[Rule]) -> Collection[Rule]:
        """Those whose zone has their source."""
        return {rule for rule in rules if not self._told(rule, "query")}

    def _told(self, rule: Rule, verb: str) -> str:
        """What firewall-cmd complains of, "" when all is well."""
        assert isinstance(rule, ZoneSource)
        try:
            done = spawn.run([_PROGRAM, *words(rule, verb)])
        except NetkitError as error:
            return error.message
        return "" if done.status == 0 else (done.complaint or done.text).strip() or f"status {done.status}"
