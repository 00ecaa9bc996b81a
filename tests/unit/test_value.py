"""Values: frozen, comparable, hashable, and the same after a trip through JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit.plan.ops import AddrAdd
from netkit.plan.steps import Step
from netkit.value import Value, from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class Point(Value):
    """Two numbers, for these tests."""

    unit: ClassVar[str] = "m"
    x: int
    y: int = 0


class Named(Point):
    """A point with more to it."""

    name: str = ""
    inner: tuple[Point, ...] = ()
    maybe: Point | None = None


class Other(Value):
    """The fields of a point, and not a point."""

    x: int
    y: int = 0


def test_fields_are_given_by_place_or_name() -> None:
    assert Point(1, 2) == Point(1, y=2) == Point(x=1, y=2)
    assert Point(1).y == 0


def test_a_subclass_adds_its_fields_after_those_of_its_base() -> None:
    assert Named(1, 2, "n").name == "n"
    assert list(Named(1).__dict__) == ["x", "y", "name", "inner", "maybe"]


def test_equality_needs_the_same_kind() -> None:
    point: Any = Point(1)
    assert point != Other(1)
    assert point != (1, 0)


def test_equal_values_have_equal_hashes() -> None:
    assert {Point(1), Point(1), Point(1, 1)} == {Point(1), Point(1, 1)}
    assert hash(Point(1)) != hash(Other(1))


@pytest.mark.parametrize(
    ("args", "given_", "says"),
    [
        ((), {}, "x is missing"),
        ((1, 2, 3), {}, "takes 2 fields, 3 given"),
        ((1,), {"x": 1}, "x given twice"),
        ((1,), {"z": 1}, "no field z"),
        ((1,), {"unit": "m"}, "no field unit"),
    ],
)
def test_a_wrong_construction_says_what_is_wrong(args: tuple[int, ...], given_: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Point(*args, **given_)


def test_a_value_cannot_be_changed() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    assert point == Point(1)


def test_replace_makes_another_value() -> None:
    point = Point(1)
    assert point.replace(y=3) == Point(1, 3)
    assert point == Point(1)
    with pytest.raises(TypeError, match="no field z"):
        point.replace(z=1)


def test_it_reads_as_what_was_given() -> None:
    assert repr(Named(1, name="n")) == "Named(x=1, name='n')"


def test_json_names_the_kind_and_leaves_defaults_out() -> None:
    assert to_json(Named(1, inner=(Point(2),))) == {"is": "Named", "x": 1, "inner": [{"is": "Point", "x": 2}]}


points = st.builds(Point, st.integers(), st.integers())
named = st.builds(Named, st.integers(), st.integers(), st.text(), st.lists(points).map(tuple), st.none() | points)
plain = st.dictionaries(st.text().filter(lambda key: key != "is"), st.integers() | named, max_size=3)


@given(named)
def test_a_value_survives_json(value: Named) -> None:
    assert from_json(json.loads(json.dumps(to_json(value)))) == value


@given(plain)
def test_a_dict_of_values_survives_json(data: dict[str, Any]) -> None:
    assert from_json(json.loads(json.dumps(to_json(data)))) == data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"is": "Nothing"}, "unknown kind of value 'Nothing'"),
        ({"is": "Point"}, "x is missing"),
        ({"is": "Point", "x": 1, "z": 1}, "no field z"),
        ([{"is": "Point", "x": 1, "y": {"is": "Nothing"}}], "unknown kind"),
    ],
)
def test_json_that_is_no_value_is_a_value_error(data: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        from_json(data)


@pytest.mark.parametrize("kind", [[], {}, [1], {"is": "Point", "x": 1}, 7, None, True])
def test_a_kind_that_is_no_name_is_a_value_error(kind: Any) -> None:
    with pytest.raises(ValueError, match="kind"):
        from_json({"is": kind, "x": 1})


def test_a_front_ends_word_is_not_taken_for_a_word_of_the_layers_below() -> None:
    step = Step(AddrAdd("eth0", "10.0.0.2/24"), "its address")
    namesake = type("Step", (Value,), {"__module__": "netkit.lab.words", "__annotations__": {"x": "int"}})
    assert from_json(to_json(step)) == step
    assert from_json(to_json(namesake(x=1))) == namesake(x=1)
