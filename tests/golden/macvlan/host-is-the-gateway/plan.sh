#!/bin/sh
set -e
# the host's own foot beside its containers: nic itself cannot reach them
ip link add name nk-side link nic group 28267 address 02:9a:90:1c:a6:4d mtu 1500 type macvlan mode bridge
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nk-side/disable_ipv6=1
# the rest of the LAN goes on asking the parent
sysctl -qw net/ipv4/conf/nk-side/arp_filter=1
# what containers know the host by
ip addr add 10.90.0.1/32 dev nk-side
# from here on the host is one of them
ip link set dev nk-side up
# its interface, on nic: frames go straight between links of one parent
ip link add name nk9a23fd5b8ba8 link nic group 28267 address 02:9c:2f:e1:5c:33 mtu 1500 netns /proc/1234/ns/net type macvlan mode bridge
nsenter --net=/proc/1234/ns/net ip link set dev nk9a23fd5b8ba8 name eth0
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.90.0.2/16 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 10.90.0.1 dev eth0 proto 142
# the host's way to this container
ip route add 10.90.0.2/32 dev nk-side proto 142
