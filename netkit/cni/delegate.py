"""Other people's IPAM plugins: found through CNI_PATH, given the whole configuration, their errors passed on."""

from __future__ import annotations

import os

from netkit.cni import result
from netkit.cni.failure import CONFIGURATION, DELEGATE, ENVIRONMENT, CniError
from netkit.cni.fields import Fields
from netkit.cni.ipamconf import spec
from netkit.cni.jsonin import parse
from netkit.errors import NetkitError
from netkit.ipam.pool import default_gateway, subnet_of
from netkit.jsontext import dumps
from netkit.kernel import spawn
from netkit.model import Lease, Subnet, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.cni.result import Result
    from netkit.cni.wish import Wish

#: A DHCP server may take its time, in seconds.
PATIENCE = 120.0


def add(call: Call, plugin: str) -> Result:
    """The addresses that the plugin gives; when it fails it is told to take back what it may have begun."""
    try:
        found = result.from_document(Fields(parse(_run(call, plugin, "ADD"))), call.version)
        if not found.ips:
            raise CniError(DELEGATE, f"IPAM plugin {plugin} returned no address")
        return found
    except NetkitError:
        withdraw(call, plugin)
        raise


def withdraw(call: Call, plugin: str) -> None:
    """DEL on the way back from a failed ADD: its own failure must not hide the first one."""
    try:
        _run(call, plugin, "DEL")
    except NetkitError as error:
        say(f"netkit: IPAM plugin {plugin}, taking back a failed ADD: {error.message}")


def forward(call: Call, plugin: str) -> None:
    """The same command, for the plugin."""
    _run(call, plugin, call.invocation.command)


def with_leases(wish: Wish, leased: Result) -> Wish:
    """A delegate's addresses tell which subnets the network has, its routes and DNS go to the container."""
    leases = tuple(Lease(ip["address"], ip.get("gateway", "")) for ip in leased.ips)
    families = {family(lease.address) for lease in leases}
    return wish.replace(
        ports=tuple(port for port in wish.ports if family(port.host_ip) in families),
        network=wish.network.replace(subnets=tuple(dict.fromkeys(map(_subnet, leases)))),
        leases=leases,
        routes=tuple(map(spec, leased.routes)),
        dns=wish.dns or leased.dns,
    )


def say(text: str) -> None:
    """A line for people, on stderr."""
    try:
        os.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return


def _run(call: Call, plugin: str, command: str) -> bytes:
    """Call a plugin; its standard error goes to ours, its error becomes ours."""
    environment = {**os.environ, "CNI_COMMAND": command}
    path = _find(plugin, call.invocation.path)
    done = spawn.run([path], dumps(call.document).encode(), PATIENCE, environment)
    if done.stderr:
        say(done.stderr.decode("utf-8", "replace").rstrip("\n"))
    if done.status:
        raise error_of(plugin, done)
    return done.stdout


def _find(plugin: str, directories: tuple[str, ...]) -> str:
    if not directories:
        raise CniError(ENVIRONMENT, "required env variables [CNI_PATH] missing", f"IPAM plugin {plugin} is found there")
    if path := spawn.find_in(directories, plugin):
        return path
    raise CniError(CONFIGURATION, f'failed to find plugin "{plugin}" in path {list(directories)}', "CNI_PATH names it")


def error_of(plugin: str, done: spawn.Finished) -> CniError:
    """What a plugin says on stdout, if that is an error of CNI's form."""
    try:
        told = Fields(parse(done.stdout))
        code, message = told.number("code", DELEGATE, 0, 0xFFFFFFFF), told.text("msg")
        details = told.text("details")
    except NetkitError:
        code, message, details = DELEGATE, "", done.complaint[:2000]
    return CniError(code or DELEGATE, message or f"plugin {plugin} failed with status {done.status}", details)


def _subnet(lease: Lease) -> Subnet:
    cidr = subnet_of(lease.address)
    return Subnet(cidr, lease.gateway or default_gateway(cidr))
