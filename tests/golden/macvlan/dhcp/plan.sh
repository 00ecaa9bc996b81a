#!/bin/sh
set -e
# its interface, on nic: frames go straight between links of one parent
ip link add name nk9a23fd5b8ba8 link nic group 28267 address 02:16:09:a5:cb:dc mtu 1500 netns /proc/1234/ns/net type macvlan mode bridge
nsenter --net=/proc/1234/ns/net ip link set dev nk9a23fd5b8ba8 name eth0
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# its address: from the network's own DHCP server
nsenter --net=/proc/1234/ns/net busybox udhcpc -i eth0 -n -b
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 192.168.1.130/24 dev eth0
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 192.168.1.1 dev eth0 proto 142
# a route that was asked for
nsenter --net=/proc/1234/ns/net ip route add 10.0.0.0/8 via 192.168.1.254 dev eth0 proto 142
# its neighbours learn whose the address is now
nsenter --net=/proc/1234/ns/net arping -A -c 1 -I eth0 "$(nsenter --net=/proc/1234/ns/net ip -o -4 addr show dev eth0 | sed 's,.*inet \([^/]*\)/.*,\1,')"
