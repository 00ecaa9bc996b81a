#!/bin/sh
set -e
ip link set dev nk542a8c6fac63 down
iptables -w -t nat -D NETKIT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.90.0.2:80 -m comment --comment nk:542a8c6fac63:ddda2222b8f6
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk542a8c6fac63
ip link set dev netkit0 down
iptables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:76278bb566cc
-D NETKIT-HAIRPIN -s 127.0.0.0/8 -o netkit0 -j MASQUERADE -m comment --comment nk:7d8722c6b66d:7290ff08f903
-D NETKIT-EGRESS -s 10.90.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:7d8722c6b66d:3cc491257bfb
-D NETKIT-HAIRPIN -s 10.90.0.0/16 -o netkit0 -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:7d8722c6b66d:43dac2a1e291
COMMIT
*filter
-D NETKIT-FROM -i netkit0 -g NETKIT-NAT -m comment --comment nk:7d8722c6b66d:16879a8d5336
-D NETKIT-TO -o netkit0 -g NETKIT-IN -m comment --comment nk:7d8722c6b66d:2e022e5e2fad
-D NETKIT-PAIRS -i netkit0 -o netkit0 -j ACCEPT -m comment --comment nk:7d8722c6b66d:b52efac73081
COMMIT
*raw
-D NETKIT-DIRECT -i netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:057096c9c631
-D NETKIT-DIRECT -d 10.90.0.0/16 -j DROP -m comment --comment nk:7d8722c6b66d:ce267a60b007
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:c4b7926ee08d
COMMIT
*filter
-D NETKIT-FROM -i netkit0 -g NETKIT-NAT -m comment --comment nk:7d8722c6b66d:73b3bf710c3b
-D NETKIT-TO -o netkit0 -g NETKIT-IN -m comment --comment nk:7d8722c6b66d:faa2bb41aee4
-D NETKIT-PAIRS -i netkit0 -o netkit0 -j ACCEPT -m comment --comment nk:7d8722c6b66d:19fd14ec048d
COMMIT
*raw
-D NETKIT-DIRECT -i netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:0518371851e6
COMMIT
EOF
ip link del dev netkit0
sysctl -qw net/ipv4/ip_forward=0
iptables -w -t filter -D NETKIT-CLOSED -j DROP -m comment --comment nk:25630829088c:ade61b059191
iptables-restore --noflush -w <<'EOF'
*nat
:NETKIT-POST - [0:0]
:NETKIT-EGRESS - [0:0]
:NETKIT-HAIRPIN - [0:0]
:NETKIT-DNAT - [0:0]
-D POSTROUTING -j NETKIT-POST
-D OUTPUT -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-D PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-X NETKIT-POST
-X NETKIT-EGRESS
-X NETKIT-HAIRPIN
-X NETKIT-DNAT
COMMIT
*filter
:NETKIT-FWD - [0:0]
:NETKIT-NAT - [0:0]
:NETKIT-INT - [0:0]
:NETKIT-IN - [0:0]
:NETKIT-LET - [0:0]
:NETKIT-ADMIN - [0:0]
:NETKIT-WALL - [0:0]
:NETKIT-WALLED - [0:0]
:NETKIT-CLOSED - [0:0]
:NETKIT-PAIRS - [0:0]
:NETKIT-TO - [0:0]
:NETKIT-FROM - [0:0]
-D FORWARD -j NETKIT-FWD
-X NETKIT-FWD
-X NETKIT-NAT
-X NETKIT-INT
-X NETKIT-IN
-X NETKIT-LET
-X NETKIT-ADMIN
-X NETKIT-WALL
-X NETKIT-WALLED
-X NETKIT-CLOSED
-X NETKIT-PAIRS
-X NETKIT-TO
-X NETKIT-FROM
COMMIT
*raw
:NETKIT-RAW - [0:0]
:NETKIT-TUNNEL - [0:0]
:NETKIT-DIRECT - [0:0]
-D PREROUTING -j NETKIT-RAW
-X NETKIT-RAW
-X NETKIT-TUNNEL
-X NETKIT-DIRECT
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*nat
:NETKIT-POST - [0:0]
:NETKIT-EGRESS - [0:0]
:NETKIT-HAIRPIN - [0:0]
:NETKIT-DNAT - [0:0]
-D POSTROUTING -j NETKIT-POST
-D OUTPUT ! -d ::1/128 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-D PREROUTING ! -s fe80::/10 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-X NETKIT-POST
-X NETKIT-EGRESS
-X NETKIT-HAIRPIN
-X NETKIT-DNAT
COMMIT
*filter
:NETKIT-FWD - [0:0]
:NETKIT-NAT - [0:0]
:NETKIT-INT - [0:0]
:NETKIT-IN - [0:0]
:NETKIT-LET - [0:0]
:NETKIT-ADMIN - [0:0]
:NETKIT-WALL - [0:0]
:NETKIT-WALLED - [0:0]
:NETKIT-CLOSED - [0:0]
:NETKIT-PAIRS - [0:0]
:NETKIT-TO - [0:0]
:NETKIT-FROM - [0:0]
-D FORWARD -j NETKIT-FWD
-X NETKIT-FWD
-X NETKIT-NAT
-X NETKIT-INT
-X NETKIT-IN
-X NETKIT-LET
-X NETKIT-ADMIN
-X NETKIT-WALL
-X NETKIT-WALLED
-X NETKIT-CLOSED
-X NETKIT-PAIRS
-X NETKIT-TO
-X NETKIT-FROM
COMMIT
*raw
:NETKIT-RAW - [0:0]
:NETKIT-TUNNEL - [0:0]
:NETKIT-DIRECT - [0:0]
-D PREROUTING -j NETKIT-RAW
-X NETKIT-RAW
-X NETKIT-TUNNEL
-X NETKIT-DIRECT
COMMIT
EOF
