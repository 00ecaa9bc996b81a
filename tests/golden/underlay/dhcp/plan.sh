#!/bin/sh
set -e
# until it has a lease, it can ask for one and do nothing else
nft -f - <<'EOF'
add element bridge netkit ports { "nk83cd56d989c4" }
add element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
EOF
# the cable between host and container
ip link add name nk83cd56d989c4 group 28267 address 02:fc:a3:f7:86:f3 mtu 1500 type veth peer name eth0 netns /proc/1234/ns/net address 02:16:09:a5:cb:dc mtu 1500
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a port of a switch has no address of its own
sysctl -qw net/ipv6/conf/nk83cd56d989c4/disable_ipv6=1
# plug the host end into the bridge
ip link set dev nk83cd56d989c4 master nk-lan up
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# where that which it sends waits for its turn
ip link add name nq83cd56d989c4 group 28267 address 02:68:0b:2a:27:15 mtu 1500 type ifb
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nq83cd56d989c4/disable_ipv6=1
# it sends at most 5mbit
tc qdisc add dev nq83cd56d989c4 root handle 6e6b: tbf rate 5000000bit burst 32768 limit 48393
# it passes packets on
ip link set dev nq83cd56d989c4 up
# a place on the host's end for what comes from the container
tc qdisc add dev nk83cd56d989c4 ingress
# all of it goes through that queue; the container cannot undo that
tc filter replace dev nk83cd56d989c4 ingress protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev nq83cd56d989c4
# its address: from the network's own DHCP server
nsenter --net=/proc/1234/ns/net busybox udhcpc -i eth0 -n -b
# it can speak for itself only: no spoofed MAC, ARP, address or RA
nft -f - <<'EOF'
add element bridge netkit ports { "nk83cd56d989c4" }
add element bridge netkit bind4 { "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 192.168.1.200, "nk83cd56d989c4" . 02:16:09:a5:cb:dc . 0.0.0.0 }
EOF
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 192.168.1.200/24 dev eth0
# announce its addresses, once its port forwards
nsenter --net=/proc/1234/ns/net ip link set dev eth0 address 02:16:09:a5:cb:dc
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 192.168.1.1 dev eth0 proto 142
# its neighbours learn whose the address is now
nsenter --net=/proc/1234/ns/net arping -A -c 1 -I eth0 "$(nsenter --net=/proc/1234/ns/net ip -o -4 addr show dev eth0 | sed 's,.*inet \([^/]*\)/.*,\1,')"
