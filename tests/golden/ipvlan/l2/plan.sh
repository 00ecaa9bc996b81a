#!/bin/sh
set -e
# its interface, on nic: one more address under the parent's MAC
ip link add name nk9a23fd5b8ba8 link nic group 28267 mtu 1500 netns /proc/1234/ns/net type ipvlan mode l2
nsenter --net=/proc/1234/ns/net ip link set dev nk9a23fd5b8ba8 name eth0
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# it speaks IPv6
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=0
# its routes are netkit's, not a neighbour's advertisement
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/accept_ra=0
# usable at once: netkit's IPAM knows that nobody has its address
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/accept_dad=0
# announce its address by unsolicited neighbour advertisement
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/ndisc_notify=1
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 192.168.1.130/24 dev eth0
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 2001:db8:1::82/64 dev eth0 nodad
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 192.168.1.1 dev eth0 proto 142
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip -6 route add default via 2001:db8:1::1 dev eth0 proto 142
