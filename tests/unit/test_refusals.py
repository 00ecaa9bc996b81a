"""What firewalls complain of becomes one line that names the rule."""

from __future__ import annotations

import pytest

from netkit.kernel.refusals import of_iptables

TEXT = "*nat\n:FOO - [0:0]\n-A FOO -j NOPE\nCOMMIT\n"
HELP = "Try `iptables-restore -h' or 'iptables-restore --help' for more information.\n"


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        (f"iptables-restore v1.8.9 (nf_tables): unknown option \"--x\"\nError occurred at line: 3\n{HELP}",
         'unknown option "--x" (rule: -A FOO -j NOPE)'),
        (f"iptables-restore v1.8.9 (nf_tables): Chain 'NOPE' does not exist\nError occurred at line: 4\n{HELP}",
         "Chain 'NOPE' does not exist"),
        (f"iptables-restore v1.8.9 (legacy): Couldn't load target `NOPE':Nothing\n\nError occurred at line: 3\n{HELP}",
         "Couldn't load target `NOPE':Nothing (rule: -A FOO -j NOPE)"),
        ("iptables-restore: line 2 failed: Chain already exists.", "Chain already exists. (rule: :FOO - [0:0])"),
        ("iptables-restore: line 2 failed", "iptables-restore: line 2 failed (rule: :FOO - [0:0])"),
        ("", "it does not say why"),
        ("x" * 1000 + " at line: 9999999", "x" * 160 + "..."),
    ],
    ids=["option", "commit", "legacy", "exists", "no reason", "nothing", "long"],
)  # fmt: skip
def test_iptables_complaints_name_the_line(complaint: str, told: str) -> None:
    assert of_iptables(TEXT, complaint) == told
