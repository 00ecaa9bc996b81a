"""Headers as boxes: every field at its bit, long ones over several rows, two packets beside each other."""

from __future__ import annotations

from netkit.probe.diagram import WIDTH, draw, side_by_side
from netkit.probe.dissect import Field, Header

UDP = Header(
    "UDP",
    34,
    8,
    (Field("sport", 16, "5"), Field("dport", 16, "4789"), Field("len", 16, "80"), Field("chksum", 16, "0")),
)
MACS = (Field("dst", 48, "02:00:00:00:00:05"), Field("src", 48, "02:00:00:00:00:01"))
ETHERNET = Header("Ethernet", 0, 14, (*MACS, Field("type", 16, "IPv4")))


def test_a_box_has_a_row_for_each_four_bytes() -> None:
    assert list(draw(UDP)) == [
        "      +-----------------------+-----------------------+",
        "   34 |sport 5                |dport 4789             |",
        "      +-----------------------+-----------------------+",
        "   38 |len 80                 |sum 0                  |",
        "      +-----------------------+-----------------------+",
    ]


def test_a_field_that_goes_on_has_no_line_in_it() -> None:
    assert list(draw(ETHERNET)) == [
        "      +-----------------------------------------------+",
        "    0 |dst 02:00:00:00:00:05                          |",
        "      |                       +-----------------------+",
        "    4 |                       |                       |",
        "      +-----------------------+                       |",
        "    8 |src 02:00:00:00:00:01                          |",
        "      +-----------------------+-----------------------+",
        "   12 |type IPv4              |",
        "      +-----------------------+",
    ]


def test_rows_that_say_nothing_new_are_left_out() -> None:
    rows = list(draw(Header("x", 22, 36, (Field("src", 128, "::1"), Field("dst", 128, "::2"), Field("n", 32, "7")))))
    assert [row.split("|")[0].strip() for row in rows if "|" in row] == ["22", "38", "54"]


def test_what_does_not_fit_is_shortened() -> None:
    fields = (
        Field("version", 4, "4"),
        Field("flags", 3, "DF"),
        Field("x", 9, "much too long a text"),
        Field("y", 16, ""),
    )
    assert "|ver 4|DF |much too lon~|y                      |" in "\n".join(draw(Header("x", 0, 4, fields)))


def test_two_packets_stand_beside_each_other_where_there_is_room() -> None:
    columns = [("outer", [ETHERNET, UDP]), ("inner", [ETHERNET])]
    wide, narrow = side_by_side(columns), side_by_side(columns, 80)
    assert wide.splitlines()[0].split() == ["outer", "inner"]
    assert max(map(len, wide.splitlines())) <= 2 * WIDTH + 2 <= 112
    assert max(map(len, narrow.splitlines())) <= WIDTH
    assert narrow.count("02:00:00:00:00:05") == wide.count("02:00:00:00:00:05") == 2
