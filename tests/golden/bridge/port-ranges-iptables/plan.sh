#!/bin/sh
set -e
# the cable between host and container
ip link add name nk542a8c6fac63 group 28267 address 02:24:7f:7e:34:26 mtu 1450 type veth peer name eth0 netns /proc/1234/ns/net address 02:e0:e9:32:62:71 mtu 1450
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a port of a switch has no address of its own
sysctl -qw net/ipv6/conf/nk542a8c6fac63/disable_ipv6=1
# plug the host end into the bridge
ip link set dev nk542a8c6fac63 master netkit0 up
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.90.0.2/16 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# announce its addresses, once its port forwards
nsenter --net=/proc/1234/ns/net ip link set dev eth0 address 02:e0:e9:32:62:71
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 10.90.0.1 dev eth0 proto 142
# host port 9000-9099, 7000-7002, 8443 of every matching local address leads here
iptables-restore --noflush -w <<'EOF'
*nat
-A NETKIT-DNAT -p tcp -m tcp --dport 9000:9099 -j DNAT --to-destination 10.90.0.2 -m comment --comment nk:542a8c6fac63:2d532cd7b67d
-A NETKIT-DNAT -p udp -m udp --dport 7000:7002 -j DNAT --to-destination 10.90.0.2:80-82/7000 -m comment --comment nk:542a8c6fac63:6e2ff2d1b51a
-A NETKIT-DNAT -d 192.0.2.2 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 10.90.0.2:443 -m comment --comment nk:542a8c6fac63:91254810835e
COMMIT
EOF
conntrack -D -f ipv4 -p udp --orig-port-dst 7000 || :
conntrack -D -f ipv4 -p udp --orig-port-dst 7001 || :
conntrack -D -f ipv4 -p udp --orig-port-dst 7002 || :
