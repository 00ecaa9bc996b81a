"""Errors as CNI tells them: a number from the specification, a message, and details.

     1 incompatible version     4 environment      7 configuration      50 cannot serve an ADD now
     2 unsupported field        5 input/output     8 namespace          51 the same, and containers suffer
     3 unknown container        6 decoding        11 try again later    999 a bug of ours

From 100 on the numbers are netkit's own.
"""

from __future__ import annotations

from netkit import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INCOMPATIBLE, UNSUPPORTED, UNKNOWN_CONTAINER, ENVIRONMENT = 1, 2, 3, 4
INPUT, DECODING, CONFIGURATION, NAMESPACE, LATER = 5, 6, 7, 8, 11
UNAVAILABLE, SUFFERING = 50, 51
FAILED, TAKEN, FULL, HOST, STATE, INCAPABLE, DELEGATE, DIFFERENT = 100, 101, 102, 103, 104, 105, 106, 107
INTERNAL = 999

#: The number of an error of netkit, the most special kind first.
_CODES: tuple[tuple[type[errors.NetkitError], int], ...] = (
    (errors.UsageError, CONFIGURATION),
    (errors.NotFoundError, CONFIGURATION),
    (errors.PoolFullError, FULL),
    (errors.ConflictError, TAKEN),
    (errors.HostError, HOST),
    (errors.StateError, STATE),
    (errors.BusyError, LATER),
)


class CniError(errors.NetkitError):
    """An error with its CNI number; `hint` becomes the details."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message, details)
        self.code = code


def incapable(what: str, details: str = "") -> CniError:
    """netkit cannot do what a key asks for; nothing was changed."""
    return CniError(INCAPABLE, f"{what} is not supported by netkit", details)


def code_of(error: errors.NetkitError) -> int:
    """The CNI number of any error of netkit."""
    if isinstance(error, CniError):
        return error.code
    if isinstance(error, errors.ApplyError):
        return code_of(error.cause)
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def in_turn(*actions: Callable[[], object]) -> None:
    """Do all of these, whatever fails; then raise the first error, with the others' messages in its details."""
    errors_: list[errors.NetkitError] = []
    for action in actions:
        try:
            action()
        except errors.NetkitError as error:
            errors_.append(error)
    if errors_:
        first, *others = errors_
        first.hint = "\n".join([first.hint, *(f"also: {error.message}" for error in others)]).strip()
        raise first


def document(error: BaseException, version: str) -> dict[str, object]:
    """The error object of the specification; an exception that is not ours is a bug."""
    if isinstance(error, errors.NetkitError):
        told: dict[str, object] = {"cniVersion": version, "code": code_of(error), "msg": error.message}
        return {**told, "details": error.hint} if error.hint else told
    return {
        "cniVersion": version,
        "code": INTERNAL,
        "msg": f"internal error of netkit: {type(error).__name__}: {error}",
        "details": "please report it; `netkit check` tells whether something is left, `netkit gc` takes it back",
    }
