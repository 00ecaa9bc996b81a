#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkda2830bc1765
ip route del 10.5.9.0/24 via 192.0.2.9 dev nic proto 142
iptables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -s 10.5.72.0/24 -d 192.0.2.9/32 -o nic -j RETURN -m comment --comment nk:44bd6970399c:97403cd2d698
-D NETKIT-EGRESS -s 10.5.72.0/24 -d 10.5.9.0/24 -o nic -j RETURN -m comment --comment nk:31449b8be8db:03a9e68c79a7
COMMIT
*filter
-D NETKIT-TO -s 192.0.2.9/32 -d 10.5.72.0/24 -i nic -j ACCEPT -m comment --comment nk:44bd6970399c:b1fc9514dccc
-D NETKIT-TO -s 10.5.9.0/24 -d 10.5.72.0/24 -i nic -j ACCEPT -m comment --comment nk:31449b8be8db:5e640da0bff3
COMMIT
*raw
-D NETKIT-DIRECT -s 192.0.2.9/32 -d 10.5.72.0/24 -i nic -j RETURN -m comment --comment nk:44bd6970399c:d75fd8674c7c
-D NETKIT-DIRECT -s 10.5.9.0/24 -d 10.5.72.0/24 -i nic -j RETURN -m comment --comment nk:31449b8be8db:f91e808b7371
COMMIT
EOF
ip link set dev nk-flannel down
iptables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:03cec67a7a23
-D NETKIT-HAIRPIN -s 127.0.0.0/8 -o nk-flannel -j MASQUERADE -m comment --comment nk:32552d8f9c5d:55ff20112d79
-D NETKIT-EGRESS -s 10.5.72.0/24 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:32552d8f9c5d:d1b701ef930e
-D NETKIT-HAIRPIN -s 10.5.72.0/24 -o nk-flannel -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:32552d8f9c5d:d51eee458249
COMMIT
*filter
-D NETKIT-FROM -i nk-flannel -g NETKIT-NAT -m comment --comment nk:32552d8f9c5d:6fe7cca0473a
-D NETKIT-TO -o nk-flannel -g NETKIT-IN -m comment --comment nk:32552d8f9c5d:fc0a8150ae27
-D NETKIT-PAIRS -i nk-flannel -o nk-flannel -j ACCEPT -m comment --comment nk:32552d8f9c5d:febfcc08e6ea
COMMIT
*raw
-D NETKIT-DIRECT -i nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:5fab88631fa6
-D NETKIT-DIRECT -d 10.5.72.0/24 -j DROP -m comment --comment nk:32552d8f9c5d:5cf5c666723b
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:85af01987c26
COMMIT
*filter
-D NETKIT-FROM -i nk-flannel -g NETKIT-NAT -m comment --comment nk:32552d8f9c5d:9598bcd0189b
-D NETKIT-TO -o nk-flannel -g NETKIT-IN -m comment --comment nk:32552d8f9c5d:622209d5f794
-D NETKIT-PAIRS -i nk-flannel -o nk-flannel -j ACCEPT -m comment --comment nk:32552d8f9c5d:dd2980ba8601
COMMIT
*raw
-D NETKIT-DIRECT -i nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:e2376547e784
COMMIT
EOF
ip link del dev nk-flannel
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
