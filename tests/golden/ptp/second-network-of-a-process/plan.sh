#!/bin/sh
set -e
# the cable between host and container
ip link add name nkpdecp8d6bc285 group 28267 address 02:97:5e:e3:89:ce mtu 1450 type veth peer name eth1 netns /proc/1234/ns/net address 02:22:de:de:22:7b mtu 1450
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth1/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth1/disable_ipv6=1
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nkpdecp8d6bc285/disable_ipv6=1
# the host's end is a port of its own, plugged into nothing
ip link set dev nkpdecp8d6bc285 up
# the gateway that the container sees, on every cable the same
ip addr add 10.91.0.1/32 dev nkpdecp8d6bc285
# the way to the container
ip route add 10.91.0.2/32 dev nkpdecp8d6bc285 proto 142
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.91.0.2/32 dev eth1
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth1 up
# the gateway is at the other end of the cable, whatever the address says
nsenter --net=/proc/1234/ns/net ip route add 10.91.0.1/32 dev eth1 proto 142
# siblings are behind the gateway, not on the cable
nsenter --net=/proc/1234/ns/net ip route add 10.91.0.0/16 via 10.91.0.1 dev eth1 proto 142
