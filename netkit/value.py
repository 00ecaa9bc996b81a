"""Frozen values: the one way in which netkit writes down a thing.

A `Value` is a record with named, typed fields: immutable, comparable, hashable, and turned into JSON and back without
loss. It exists because a CNI plugin is a process per container: forty frozen dataclasses cost 44 ms of start-up, forty
of these 0.5 ms (docs/adr/0001). Type checkers see ordinary frozen dataclasses.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_: object) -> Callable[[T], T]:
        return lambda cls: cls


_MISSING: Any = object()
#: Packages with words of their own, which may be those of the layers below: a Step, a Link, an Endpoint.
_WITH_OWN_WORDS = ("netkit.agent.", "netkit.cli.", "netkit.cni.", "netkit.lab.", "netkit.probe.", "netkit.stores.")
#: What is the same in JSON: most of what records hold.
_PLAIN = frozenset((str, int, bool, float, type(None)))
#: Modules whose values are rare in files: the kind names the module, which is loaded when one is met.
_RARE = ("netkit.plan.rare.",)


@dataclass_transform(frozen_default=True)
class Value:
    """A frozen record; the annotated fields of a subclass, in order, are its constructor's arguments."""

    _fields: ClassVar[dict[str, Any]] = {}
    _kinds: ClassVar[dict[str, type[Value]]] = {}
    _kind: ClassVar[str] = "Value"

    def __init_subclass__(cls) -> None:
        fields = dict(cls._fields)
        for name, kind in cls.__dict__.get("__annotations__", {}).items():  # noqa: RUF063 (inspect costs 10 ms)
            if not name.startswith("_") and not str(kind).startswith("ClassVar"):
                fields[name] = cls.__dict__.get(name, _MISSING)
        cls._fields = fields
        above = f"{cls.__module__}." if cls.__module__.startswith((*_WITH_OWN_WORDS, *_RARE)) else ""
        cls._kind = f"{above}{cls.__name__}"  # files say it: a name of the layers below is never another's
        Value._kinds[cls._kind] = cls

    def __init__(self, *args: Any, **given: Any) -> None:
        fields = self._fields
        values = {**fields, **given}
        if args:
            values.update(zip(fields, args, strict=False))
        if len(values) > len(fields) or len(args) > len(fields) or (args and given) or _MISSING in values.values():
            self._refuse(args, given)
        self.__dict__.update(values)

    def _refuse(self, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        """TypeError for what cannot be a record's fields; nothing when it can."""
        name, fields = type(self).__name__, self._fields
        if len(args) > len(fields):
            raise TypeError(f"{name} takes {len(fields)} fields, {len(args)} given")
        for field, default in list(fields.items())[len(args) :]:
            if default is _MISSING and field not in given:
                raise TypeError(f"{name}: {field} is missing")
        for field in given:
            if field not in fields:
                raise TypeError(f"{name} has no field {field}")
            if field in list(fields)[: len(args)]:
                raise TypeError(f"{name}: {field} given twice")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self.__dict__.values()))

    def __repr__(self) -> str:
        shown = (f"{n}={v!r}" for n, v in self.__dict__.items() if v != self._fields[n])
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self, **changes: Any) -> Self:
        """The same value with some fields changed."""
        if unknown := changes.keys() - self._fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {min(unknown)}")
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__, **changes)
        return twin


def to_json(value: Any) -> Any:
    """A value as JSON data: `{"is": "AddrAdd", ...}`, fields at their default left out, tuples as lists."""
    if isinstance(value, Value):
        out: dict[str, Any] = {"is": type(value)._kind}
        for name, default in value._fields.items():
            field = value.__dict__[name]
            if default is _MISSING or field != default:
                out[name] = field if type(field) in _PLAIN else to_json(field)
        return out
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def from_json(data: Any) -> Any:
    """What `to_json` wrote; ValueError when the data names an unknown kind or does not fit its kind."""
    if isinstance(data, list):
        return tuple(from_json(item) for item in data)
    if not isinstance(data, dict):
        return data
    fields = {str(key): item if type(item) in _PLAIN else from_json(item) for key, item in data.items()}
    if "is" not in fields:
        return fields
    kind = fields.pop("is")
    if isinstance(kind, str) and kind.startswith(_RARE) and kind not in Value._kinds:
        _load(kind.rpartition(".")[0])
    if not isinstance(kind, str) or kind not in Value._kinds:
        raise ValueError(f"unknown kind of value {kind!r}")
    try:
        return Value._kinds[kind](**fields)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _load(module: str) -> None:
    try:
        __import__(module)
    except ImportError as error:
        raise ValueError(f"values of {module} are unknown: {error}") from error
