#!/bin/sh
set -e
# it can speak for itself only: no spoofed MAC, ARP, address or RA
nft -f - <<'EOF'
add element bridge netkit ports { "nk542a8c6fac63" }
add element bridge netkit bind4 { "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 10.90.0.2, "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 0.0.0.0 }
EOF
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
# it receives at most 10mbit
tc qdisc add dev nk542a8c6fac63 root handle 6e6b: tbf rate 10000000bit burst 32768 limit 64018
# where that which it sends waits for its turn
ip link add name nq542a8c6fac63 group 28267 address 02:1c:5b:6d:62:8e mtu 1450 type ifb
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nq542a8c6fac63/disable_ipv6=1
# it sends at most 1gbit
tc qdisc add dev nq542a8c6fac63 root handle 6e6b: tbf rate 1000000000bit burst 2000000 limit 5125000
# it passes packets on
ip link set dev nq542a8c6fac63 up
# a place on the host's end for what comes from the container
tc qdisc add dev nk542a8c6fac63 ingress
# all of it goes through that queue; the container cannot undo that
tc filter replace dev nk542a8c6fac63 ingress protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev nq542a8c6fac63
