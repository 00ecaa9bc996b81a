#!/bin/sh
set -e
# the cable between host and container
ip link add name nkp2ers80218d98 group 28267 address 02:6e:7f:03:07:1a mtu 1450 type veth peer name eth0 netns /proc/1234/ns/net address 02:bc:14:6e:e5:31 mtu 1450
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nkp2ers80218d98/disable_ipv6=1
# the host's end is a port of its own, plugged into nothing
ip link set dev nkp2ers80218d98 up
# the gateway that the container sees, on every cable the same
ip addr add 10.91.0.1/32 dev nkp2ers80218d98
# the way to the container
ip route add 10.91.0.3/32 dev nkp2ers80218d98 proto 142
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.91.0.3/32 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# the gateway is at the other end of the cable, whatever the address says
nsenter --net=/proc/1234/ns/net ip route add 10.91.0.1/32 dev eth0 proto 142
# siblings are behind the gateway, not on the cable
nsenter --net=/proc/1234/ns/net ip route add 10.91.0.0/16 via 10.91.0.1 dev eth0 proto 142
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 10.91.0.1 dev eth0 proto 142
