#!/bin/sh
set -e
ip link set dev nk542a8c6fac63 down
iptables-restore --noflush -w <<'EOF'
*nat
:NETKIT-82d254b54ccc - [0:0]
:NETKIT-92bc07ab5e93 - [0:0]
-D NETKIT-DNAT -p udp -m udp --dport 7000:7002 -m set --match-set friends src -j NETKIT-82d254b54ccc -m comment --comment nk:542a8c6fac63:7b31cf921ac3
-D NETKIT-DNAT -p tcp -m tcp --dport 8080 -m set --match-set friends src -j NETKIT-92bc07ab5e93 -m comment --comment nk:542a8c6fac63:de85ef256355
-D NETKIT-HAIRPIN -d 10.90.0.2 -m conntrack --ctstate DNAT -j RETURN -m comment --comment nk:5701f8f77d86:35b1b54de886
-X NETKIT-82d254b54ccc
-X NETKIT-92bc07ab5e93
COMMIT
EOF
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7000 || :
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7001 || :
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7002 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk542a8c6fac63
