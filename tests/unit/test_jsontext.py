"""Our JSON and the standard library's are the same, in a fresh interpreter too."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit import jsontext
from tests.hosts import ENVIRONMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
BAD = [
    "",
    " ",
    "{",
    "[1,]",
    '{"a":}',
    "nul",
    "1 2",
    "NaN",
    "[Infinity]",
    '"\n"',
    '{"a":1 "b":2}',
    '"\\x"',
    "{1:2}",
    "[" * 99999,
]


@given(VALUES)
def test_what_is_written_is_what_json_writes_and_reads_back(value: Any) -> None:
    text = jsontext.dumps(value)
    assert text == json.dumps(value)
    assert jsontext.loads(f" {text}\n") == value


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:12]))
def test_what_is_no_json_is_an_error_in_a_fresh_interpreter(text: str) -> None:
    code = "import sys\nfrom netkit.jsontext import loads\n"
    code += "assert not {'json', 're'} & set(sys.modules)\n"
    code += "try: loads(sys.stdin.read())\nexcept (ValueError, RecursionError): sys.exit(7)"
    done = subprocess.run([sys.executable, "-S", "-c", code], input=text, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 7


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, b"x", object()], ids=["nan", "inf", "set", "bytes", "object"]
)
def test_what_json_cannot_say_is_an_error(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        jsontext.dumps(value)
