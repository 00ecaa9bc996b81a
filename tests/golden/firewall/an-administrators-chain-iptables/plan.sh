#!/bin/sh
set -e
# netkit's own table: it drops first, and touches no other
iptables-restore --noflush -w <<'EOF'
*raw
:NETKIT-DIRECT - [0:0]
:NETKIT-TUNNEL - [0:0]
:NETKIT-RAW - [0:0]
-A NETKIT-RAW -p udp -j NETKIT-TUNNEL
-A NETKIT-RAW ! -i lo -d 127.0.0.0/8 -j DROP
-A NETKIT-RAW ! -i lo -s 127.0.0.0/8 -j DROP
-A NETKIT-RAW -i lo -j RETURN
-A NETKIT-RAW -g NETKIT-DIRECT
-I PREROUTING -j NETKIT-RAW
COMMIT
*filter
:NETKIT-FROM - [0:0]
:NETKIT-TO - [0:0]
:NETKIT-PAIRS - [0:0]
:NETKIT-CLOSED - [0:0]
:NETKIT-WALLED - [0:0]
:NETKIT-WALL - [0:0]
:NETKIT-ADMIN - [0:0]
:NETKIT-LET - [0:0]
:NETKIT-IN - [0:0]
:NETKIT-INT - [0:0]
:NETKIT-NAT - [0:0]
:NETKIT-FWD - [0:0]
-A NETKIT-IN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A NETKIT-IN -m conntrack --ctstate DNAT -j ACCEPT
-A NETKIT-IN -j DROP
-A NETKIT-INT -j NETKIT-PAIRS
-A NETKIT-INT -j DROP
-A NETKIT-NAT -j NETKIT-PAIRS
-A NETKIT-NAT -m conntrack --ctstate INVALID -j DROP
-A NETKIT-NAT -j NETKIT-TO
-A NETKIT-NAT -o docker0 -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o br-+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o virbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o cni+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o podman+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxcbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxdbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -j ACCEPT
-A NETKIT-FWD -j NETKIT-WALL
-A NETKIT-FWD -j NETKIT-ADMIN
-A NETKIT-FWD -j NETKIT-FROM
-A NETKIT-FWD -j NETKIT-TO
-A NETKIT-FWD -j NETKIT-LET
-A NETKIT-FWD -i docker0 -j RETURN
-A NETKIT-FWD -o docker0 -j RETURN
-A NETKIT-FWD -i br-+ -j RETURN
-A NETKIT-FWD -o br-+ -j RETURN
-A NETKIT-FWD -i virbr+ -j RETURN
-A NETKIT-FWD -o virbr+ -j RETURN
-A NETKIT-FWD -i cni+ -j RETURN
-A NETKIT-FWD -o cni+ -j RETURN
-A NETKIT-FWD -i podman+ -j RETURN
-A NETKIT-FWD -o podman+ -j RETURN
-A NETKIT-FWD -i lxcbr+ -j RETURN
-A NETKIT-FWD -o lxcbr+ -j RETURN
-A NETKIT-FWD -i lxdbr+ -j RETURN
-A NETKIT-FWD -o lxdbr+ -j RETURN
-A NETKIT-FWD -m physdev --physdev-is-bridged -j RETURN
-A NETKIT-FWD -j NETKIT-CLOSED
-I FORWARD -j NETKIT-FWD
COMMIT
*nat
:NETKIT-DNAT - [0:0]
:NETKIT-HAIRPIN - [0:0]
:NETKIT-EGRESS - [0:0]
:NETKIT-POST - [0:0]
-A NETKIT-POST -j NETKIT-HAIRPIN
-A NETKIT-POST -g NETKIT-EGRESS
-A PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-I POSTROUTING -j NETKIT-POST
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*raw
:NETKIT-DIRECT - [0:0]
:NETKIT-TUNNEL - [0:0]
:NETKIT-RAW - [0:0]
-A NETKIT-RAW -p udp -j NETKIT-TUNNEL
-A NETKIT-RAW -i lo -j RETURN
-A NETKIT-RAW -g NETKIT-DIRECT
-I PREROUTING -j NETKIT-RAW
COMMIT
*filter
:NETKIT-FROM - [0:0]
:NETKIT-TO - [0:0]
:NETKIT-PAIRS - [0:0]
:NETKIT-CLOSED - [0:0]
:NETKIT-WALLED - [0:0]
:NETKIT-WALL - [0:0]
:NETKIT-ADMIN - [0:0]
:NETKIT-LET - [0:0]
:NETKIT-IN - [0:0]
:NETKIT-INT - [0:0]
:NETKIT-NAT - [0:0]
:NETKIT-FWD - [0:0]
-A NETKIT-IN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A NETKIT-IN -m conntrack --ctstate DNAT -j ACCEPT
-A NETKIT-IN -j DROP
-A NETKIT-INT -j NETKIT-PAIRS
-A NETKIT-INT -j DROP
-A NETKIT-NAT -j NETKIT-PAIRS
-A NETKIT-NAT -m conntrack --ctstate INVALID -j DROP
-A NETKIT-NAT -j NETKIT-TO
-A NETKIT-NAT -o docker0 -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o br-+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o virbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o cni+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o podman+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxcbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxdbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -j ACCEPT
-A NETKIT-FWD -j NETKIT-WALL
-A NETKIT-FWD -j NETKIT-ADMIN
-A NETKIT-FWD -j NETKIT-FROM
-A NETKIT-FWD -j NETKIT-TO
-A NETKIT-FWD -j NETKIT-LET
-A NETKIT-FWD -i docker0 -j RETURN
-A NETKIT-FWD -o docker0 -j RETURN
-A NETKIT-FWD -i br-+ -j RETURN
-A NETKIT-FWD -o br-+ -j RETURN
-A NETKIT-FWD -i virbr+ -j RETURN
-A NETKIT-FWD -o virbr+ -j RETURN
-A NETKIT-FWD -i cni+ -j RETURN
-A NETKIT-FWD -o cni+ -j RETURN
-A NETKIT-FWD -i podman+ -j RETURN
-A NETKIT-FWD -o podman+ -j RETURN
-A NETKIT-FWD -i lxcbr+ -j RETURN
-A NETKIT-FWD -o lxcbr+ -j RETURN
-A NETKIT-FWD -i lxdbr+ -j RETURN
-A NETKIT-FWD -o lxdbr+ -j RETURN
-A NETKIT-FWD -m physdev --physdev-is-bridged -j RETURN
-A NETKIT-FWD -j NETKIT-CLOSED
-I FORWARD -j NETKIT-FWD
COMMIT
*nat
:NETKIT-DNAT - [0:0]
:NETKIT-HAIRPIN - [0:0]
:NETKIT-EGRESS - [0:0]
:NETKIT-POST - [0:0]
-A NETKIT-POST -j NETKIT-HAIRPIN
-A NETKIT-POST -g NETKIT-EGRESS
-A PREROUTING ! -s fe80::/10 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-A OUTPUT ! -d ::1/128 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-I POSTROUTING -j NETKIT-POST
COMMIT
EOF
# transit through cni0: same-bridge
iptables-restore --noflush -w <<'EOF'
*filter
-A NETKIT-LET -i cni0 -j ACCEPT -m comment --comment nk:24d592855510:1b66ab331751
-A NETKIT-LET -o cni0 -j ACCEPT -m comment --comment nk:24d592855510:d1875fbc53cf
-A NETKIT-WALL -i cni0 ! -o cni0 -j NETKIT-WALLED -m comment --comment nk:24d592855510:804fd6ec5fa1
-A NETKIT-WALLED -o cni0 -j DROP -m comment --comment nk:24d592855510:2275b6615ff4
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*filter
-A NETKIT-LET -i cni0 -j ACCEPT -m comment --comment nk:24d592855510:b6dd28f1e7af
-A NETKIT-LET -o cni0 -j ACCEPT -m comment --comment nk:24d592855510:4dd6c6141c4d
-A NETKIT-WALL -i cni0 ! -o cni0 -j NETKIT-WALLED -m comment --comment nk:24d592855510:46d72e90b2a3
-A NETKIT-WALLED -o cni0 -j DROP -m comment --comment nk:24d592855510:db1947275350
COMMIT
EOF
# the administrator's chain MY-RULES is asked
iptables-restore --noflush -w <<'EOF'
*filter
-N MY-RULES
-A NETKIT-ADMIN -j MY-RULES -m comment --comment nk:8e9aa831ad26:624e02757e28
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*filter
-N MY-RULES
-A NETKIT-ADMIN -j MY-RULES -m comment --comment nk:8e9aa831ad26:84c1e6f50765
COMMIT
EOF
