#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkbd66c49d2ef8
ip neigh del 10.142.9.2 dev nk-overlay42
bridge fdb del 02:00:00:00:00:02 dev nkv42 master
bridge fdb del 02:00:00:00:00:02 dev nkv42 dst fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de self
ip neigh del 10.142.9.1 dev nk-overlay42
bridge fdb del 02:00:00:00:00:01 dev nkv42 master
bridge fdb del 02:00:00:00:00:01 dev nkv42 dst fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de self
ip6tables-restore --noflush -w <<'EOF'
*raw
-D NETKIT-TUNNEL -s fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de/128 -i nkw42 -p udp -m udp --dport 4789 -m addrtype --dst-type MULTICAST -j RETURN -m comment --comment nk:7c9e4f3df767:1768adcff788
-D NETKIT-TUNNEL -s fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de/128 -i nkw42 -p udp -m udp --dport 4789 -m addrtype --dst-type LOCAL -j RETURN -m comment --comment nk:7c9e4f3df767:2933d073acc3
COMMIT
EOF
wg set nkw42 peer PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0= remove
ip link set dev nkw42 down
ip link set dev nk-overlay42 down
ip link set dev nkv42 down
ip6tables-restore --noflush -w <<'EOF'
*filter
-D NETKIT-WALL ! -i nkw42 -o nkw42 -p udp -m udp --dport 4789 -j DROP -m comment --comment nk:9d8127b45a3d:43d95d2da2ba
COMMIT
*raw
-D NETKIT-TUNNEL -p udp -m udp --dport 4789 -m addrtype --dst-type MULTICAST -j DROP -m comment --comment nk:9d8127b45a3d:c73f4e18be01
-D NETKIT-TUNNEL -p udp -m udp --dport 4789 -m addrtype --dst-type LOCAL -j DROP -m comment --comment nk:9d8127b45a3d:4fbbdc52b503
COMMIT
EOF
iptables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:51c432fce154
-D NETKIT-HAIRPIN -s 127.0.0.0/8 -o nk-overlay42 -j MASQUERADE -m comment --comment nk:d16a5d0cde95:5994b103c005
-D NETKIT-EGRESS -s 10.142.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:d16a5d0cde95:bd02712ed7c2
-D NETKIT-HAIRPIN -s 10.142.0.0/16 -o nk-overlay42 -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:d16a5d0cde95:7d7622c6f305
COMMIT
*filter
-D NETKIT-FROM -i nk-overlay42 -g NETKIT-NAT -m comment --comment nk:d16a5d0cde95:abd5d04f5e60
-D NETKIT-TO -o nk-overlay42 -g NETKIT-IN -m comment --comment nk:d16a5d0cde95:7b4d7cf44006
-D NETKIT-PAIRS -i nk-overlay42 -o nk-overlay42 -j ACCEPT -m comment --comment nk:d16a5d0cde95:bdb216ae29c3
COMMIT
*raw
-D NETKIT-DIRECT -i nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:147d102d1d9b
-D NETKIT-DIRECT -d 10.142.0.0/16 -j DROP -m comment --comment nk:d16a5d0cde95:5ccd1ea647b9
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-EGRESS -o nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:a334074539ff
COMMIT
*filter
-D NETKIT-FROM -i nk-overlay42 -g NETKIT-NAT -m comment --comment nk:d16a5d0cde95:d40dc4f9978d
-D NETKIT-TO -o nk-overlay42 -g NETKIT-IN -m comment --comment nk:d16a5d0cde95:141169a1057c
-D NETKIT-PAIRS -i nk-overlay42 -o nk-overlay42 -j ACCEPT -m comment --comment nk:d16a5d0cde95:03ddef7e373f
COMMIT
*raw
-D NETKIT-DIRECT -i nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:bfde2a76d350
COMMIT
EOF
ip link del dev nkv42
ip link del dev nk-overlay42
ip -6 route del fd52:f7bd:d576:d52b::/64 dev lo proto 142 metric 1048576
ip link del dev nkw42
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
