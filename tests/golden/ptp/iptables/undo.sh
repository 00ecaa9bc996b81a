#!/bin/sh
set -e
ip link set dev nkp2ers80218d98 down
iptables -w -t nat -D NETKIT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.91.0.2:80 -m comment --comment nk:80218d9896f4:3b33a0dfc00d
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkp2ers80218d98
iptables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:37afa27e070b
-D NETKIT-HAIRPIN -s 127.0.0.0/8 -o nkp2ers+ -j MASQUERADE -m comment --comment nk:871d8edb4e1a:11f8eb2b9ca6
-D NETKIT-EGRESS -s 10.91.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:871d8edb4e1a:0dd97b0f6ec1
-D NETKIT-HAIRPIN -s 10.91.0.0/16 -o nkp2ers+ -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:871d8edb4e1a:773283076564
COMMIT
*filter
-D NETKIT-FROM -i nkp2ers+ -g NETKIT-NAT -m comment --comment nk:871d8edb4e1a:87448295f8fe
-D NETKIT-TO -o nkp2ers+ -g NETKIT-IN -m comment --comment nk:871d8edb4e1a:44189babb7c1
-D NETKIT-PAIRS -i nkp2ers+ -o nkp2ers+ -j ACCEPT -m comment --comment nk:871d8edb4e1a:abc12a67e453
COMMIT
*raw
-D NETKIT-DIRECT -i nkp2ers+ -m rpfilter --invert -j DROP -m comment --comment nk:871d8edb4e1a:ff77fd03104b
-D NETKIT-DIRECT -i nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:a220bd2aee00
-D NETKIT-DIRECT -d 10.91.0.0/16 -j DROP -m comment --comment nk:871d8edb4e1a:022e0c4031d5
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:4a856b1e9520
COMMIT
*filter
-D NETKIT-FROM -i nkp2ers+ -g NETKIT-NAT -m comment --comment nk:871d8edb4e1a:bda06f00f8ff
-D NETKIT-TO -o nkp2ers+ -g NETKIT-IN -m comment --comment nk:871d8edb4e1a:60cfac6eb6b4
-D NETKIT-PAIRS -i nkp2ers+ -o nkp2ers+ -j ACCEPT -m comment --comment nk:871d8edb4e1a:78e8ee3de0f5
COMMIT
*raw
-D NETKIT-DIRECT -i nkp2ers+ -m rpfilter --invert -j DROP -m comment --comment nk:871d8edb4e1a:b05205b1e898
-D NETKIT-DIRECT -i nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:e250f12f81d4
COMMIT
EOF
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
