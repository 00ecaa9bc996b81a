#!/bin/sh
set -e
# the cable between host and container
ip link add name nk542a8c6fac63 group 28267 address 02:24:7f:7e:34:26 mtu 1450 type veth peer name eth0 netns /proc/1234/ns/net address 02:e0:e9:32:62:71 mtu 1450
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a port of a switch has no address of its own
sysctl -qw net/ipv6/conf/nk542a8c6fac63/disable_ipv6=1
# plug the host end into the bridge
ip link set dev nk542a8c6fac63 master netkit0 up
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.90.0.2/16 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# announce its addresses, once its port forwards
nsenter --net=/proc/1234/ns/net ip link set dev eth0 address 02:e0:e9:32:62:71
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 10.90.0.1 dev eth0 proto 142
# host port 8080, 7000-7002 of every matching local address leads here
iptables-restore --noflush -w <<'EOF'
*nat
:NETKIT-92bc07ab5e93 - [0:0]
:NETKIT-82d254b54ccc - [0:0]
-I NETKIT-HAIRPIN -d 10.90.0.2 -m conntrack --ctstate DNAT -j RETURN -m comment --comment nk:5701f8f77d86:35b1b54de886
-A NETKIT-92bc07ab5e93 -s 10.90.0.0/16 -j KUBE-MARK-MASQ -m comment --comment nk:542a8c6fac63:61943c50b8f0
-A NETKIT-92bc07ab5e93 -s 127.0.0.1/32 -j KUBE-MARK-MASQ -m comment --comment nk:542a8c6fac63:ceacbd9e21bf
-A NETKIT-92bc07ab5e93 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.90.0.2:80 -m comment --comment nk:542a8c6fac63:85e7122fd034
-A NETKIT-DNAT -p tcp -m tcp --dport 8080 -m set --match-set friends src -j NETKIT-92bc07ab5e93 -m comment --comment nk:542a8c6fac63:de85ef256355
-A NETKIT-82d254b54ccc -d 192.0.2.2 -s 10.90.0.0/16 -j KUBE-MARK-MASQ -m comment --comment nk:542a8c6fac63:17b5f51a55c9
-A NETKIT-82d254b54ccc -d 192.0.2.2 -s 127.0.0.1/32 -j KUBE-MARK-MASQ -m comment --comment nk:542a8c6fac63:bb6c97a5bfde
-A NETKIT-82d254b54ccc -d 192.0.2.2 -p udp -m udp --dport 7000:7002 -j DNAT --to-destination 10.90.0.2:80-82/7000 -m comment --comment nk:542a8c6fac63:c1d9fb8d5fca
-A NETKIT-DNAT -p udp -m udp --dport 7000:7002 -m set --match-set friends src -j NETKIT-82d254b54ccc -m comment --comment nk:542a8c6fac63:7b31cf921ac3
COMMIT
EOF
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7000 || :
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7001 || :
conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.2 --orig-port-dst 7002 || :
