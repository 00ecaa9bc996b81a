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
# it sends at most 1gbit
nsenter --net=/proc/1234/ns/net tc qdisc add dev eth0 root handle 6e6b: tbf rate 1000000000bit burst 2000000 limit 5125000
# where that which it receives waits for its turn
nsenter --net=/proc/1234/ns/net ip link add name nq3c61d9511666 group 28267 address 02:77:a5:3a:05:78 mtu 1500 type ifb
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/nq3c61d9511666/disable_ipv6=1
# it receives at most 10mbit
nsenter --net=/proc/1234/ns/net tc qdisc add dev nq3c61d9511666 root handle 6e6b: tbf rate 10000000bit burst 32768 limit 64018
# it passes packets on
nsenter --net=/proc/1234/ns/net ip link set dev nq3c61d9511666 up
# a place on the link for what comes to the container
nsenter --net=/proc/1234/ns/net tc qdisc add dev eth0 ingress
# all of it goes through that queue
nsenter --net=/proc/1234/ns/net tc filter replace dev eth0 ingress protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev nq3c61d9511666
