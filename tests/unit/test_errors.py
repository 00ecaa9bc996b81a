"""The tree of errors: exit codes are a contract, messages say where, hints what to do."""

from __future__ import annotations

import re

import pytest

from netkit import errors
from netkit.errors import ApplyError, ConfigError, ConflictError, HostError, KernelError, NetkitError

EXIT_CODES = {
    "NetkitError": 1,
    "UsageError": 2,
    "ConfigError": 2,
    "NotFoundError": 3,
    "ConflictError": 4,
    "HostError": 5,
}


def tree(root: type[NetkitError] = NetkitError) -> list[type[NetkitError]]:
    return [
        root,
        *(below for child in root.__subclasses__() for below in tree(child) if below.__module__ == "netkit.errors"),
    ]


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items())
def test_exit_codes_are_kept(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_every_error_has_a_word_of_its_own() -> None:
    kinds = [error.kind for error in tree()]
    assert len(kinds) == len(set(kinds))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind) for kind in kinds)


def test_the_drawing_shows_every_error_with_its_exit_code() -> None:
    drawing = errors.__doc__ or ""
    assert set(re.findall(r"(\w+Error) ", drawing)) == {error.__name__ for error in tree()}
    codes = {error.__name__: str(error.exit_code) for error in tree()}
    assert dict(re.findall(r"(\w+Error)\s+exit (\d)", drawing)).items() <= codes.items()


def test_a_message_and_a_hint() -> None:
    error = HostError("no nft here", "install nftables")
    assert (str(error), error.message, error.hint) == ("no nft here", "no nft here", "install nftables")


@pytest.mark.parametrize(("at", "text"), [("subnets[1].gateway", "subnets[1].gateway: is off"), ("", "is off")])
def test_a_config_error_says_at_which_path(at: str, text: str) -> None:
    assert str(ConfigError(at, "is off")) == text
    assert ConfigError(at, "is off").at == at


def test_a_kernel_error_keeps_its_errno() -> None:
    assert KernelError("link add: File exists", 17).errno == 17
    assert KernelError("no reason").errno == 0


def test_a_failed_plan_ends_as_its_cause_would() -> None:
    error = ApplyError("step 3 failed", ConflictError("taken", "choose another"))
    assert (error.exit_code, error.hint, error.leftovers) == (4, "choose another", ())


def test_a_failed_undo_tells_the_commands_that_are_left_to_run() -> None:
    error = ApplyError("step 3 failed", KernelError("x"), ["ip link del dev a", "ip link del dev b"])
    assert error.hint.splitlines()[1:] == ["  ip link del dev a", "  ip link del dev b"]
    assert error.leftovers == ("ip link del dev a", "ip link del dev b")
