#!/bin/sh
set -e
# its interface, on nic: frames go straight between links of one parent
ip link add name nk9a23fd5b8ba8 link nic group 28267 address 02:51:0e:33:2e:c6 mtu 1500 netns /proc/1234/ns/net type macvlan mode bridge
nsenter --net=/proc/1234/ns/net ip link set dev nk9a23fd5b8ba8 name eth0
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
