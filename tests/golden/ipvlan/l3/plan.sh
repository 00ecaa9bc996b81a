#!/bin/sh
set -e
# its interface, on nic: the parent routes to it
ip link add name nk9a23fd5b8ba8 link nic group 28267 mtu 1500 netns /proc/1234/ns/net type ipvlan mode l3
nsenter --net=/proc/1234/ns/net ip link set dev nk9a23fd5b8ba8 name eth0
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.7.0.2/24 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# everything else goes by the link
nsenter --net=/proc/1234/ns/net ip route add default dev eth0 proto 142
