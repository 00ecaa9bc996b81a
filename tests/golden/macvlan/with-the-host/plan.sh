#!/bin/sh
set -e
# the host's own foot beside its containers: nic itself cannot reach them
ip link add name nk-lan link nic group 28267 address 02:70:c2:06:23:68 mtu 1500 type macvlan mode bridge
# believe no container's router advertisement
sysctl -qw net/ipv6/conf/nk-lan/accept_ra=0
# its link-local address comes from us, not in the kernel's own time
ip link set dev nk-lan addrgenmode none
# where it asks for neighbours from
ip addr add fe80::70:c2ff:fe06:2368/64 dev nk-lan nodad
# the rest of the LAN goes on asking the parent
sysctl -qw net/ipv4/conf/nk-lan/arp_filter=1
# what containers know the host by
ip addr add 192.168.1.2/32 dev nk-lan
# what containers know the host by
ip addr add 2001:db8:1::2/128 dev nk-lan nodad
# from here on the host is one of them
ip link set dev nk-lan up
# its interface, on nic: frames go straight between links of one parent
ip link add name nk9a23fd5b8ba8 link nic group 28267 address 02:16:09:a5:cb:dc mtu 1500 netns /proc/1234/ns/net type macvlan mode bridge
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
# the host's way to this container
ip route add 192.168.1.130/32 dev nk-lan proto 142
# the host's way to this container
ip -6 route add 2001:db8:1::82/128 dev nk-lan proto 142
