#!/bin/sh
set -e
# its interface, on eth0: frames go straight between links of one parent
nsenter --net=/proc/1234/ns/net ip link add name eth1 link eth0 group 28267 address 02:ff:21:2f:8c:52 mtu 1500 type macvlan mode bridge
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth1/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth1/disable_ipv6=1
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 192.168.1.130/24 dev eth1
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth1 up
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 192.168.1.1 dev eth1 proto 142
