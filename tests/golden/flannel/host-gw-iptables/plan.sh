#!/bin/sh
set -e
# netkit's own table: it drops first, and touches no other
iptables-restore --noflush -w <<'EOF'
*raw
:NETKIT-DIRECT - [0:0]
:NETKIT-TUNNEL - [0:0]
:NETKIT-RAW - [0:0]
-A NETKIT-RAW -p udp -j NETKIT-TUNNEL
-A NETKIT-RAW ! -i lo -d 127.0.0.0/8 -j DROP
-A NETKIT-RAW ! -i lo -s 127.0.0.0/8 -j DROP
-A NETKIT-RAW -i lo -j RETURN
-A NETKIT-RAW -g NETKIT-DIRECT
-I PREROUTING -j NETKIT-RAW
COMMIT
*filter
:NETKIT-FROM - [0:0]
:NETKIT-TO - [0:0]
:NETKIT-PAIRS - [0:0]
:NETKIT-CLOSED - [0:0]
:NETKIT-WALLED - [0:0]
:NETKIT-WALL - [0:0]
:NETKIT-ADMIN - [0:0]
:NETKIT-LET - [0:0]
:NETKIT-IN - [0:0]
:NETKIT-INT - [0:0]
:NETKIT-NAT - [0:0]
:NETKIT-FWD - [0:0]
-A NETKIT-IN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A NETKIT-IN -m conntrack --ctstate DNAT -j ACCEPT
-A NETKIT-IN -j DROP
-A NETKIT-INT -j NETKIT-PAIRS
-A NETKIT-INT -j DROP
-A NETKIT-NAT -j NETKIT-PAIRS
-A NETKIT-NAT -m conntrack --ctstate INVALID -j DROP
-A NETKIT-NAT -j NETKIT-TO
-A NETKIT-NAT -o docker0 -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o br-+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o virbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o cni+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o podman+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxcbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxdbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -j ACCEPT
-A NETKIT-FWD -j NETKIT-WALL
-A NETKIT-FWD -j NETKIT-ADMIN
-A NETKIT-FWD -j NETKIT-FROM
-A NETKIT-FWD -j NETKIT-TO
-A NETKIT-FWD -j NETKIT-LET
-A NETKIT-FWD -i docker0 -j RETURN
-A NETKIT-FWD -o docker0 -j RETURN
-A NETKIT-FWD -i br-+ -j RETURN
-A NETKIT-FWD -o br-+ -j RETURN
-A NETKIT-FWD -i virbr+ -j RETURN
-A NETKIT-FWD -o virbr+ -j RETURN
-A NETKIT-FWD -i cni+ -j RETURN
-A NETKIT-FWD -o cni+ -j RETURN
-A NETKIT-FWD -i podman+ -j RETURN
-A NETKIT-FWD -o podman+ -j RETURN
-A NETKIT-FWD -i lxcbr+ -j RETURN
-A NETKIT-FWD -o lxcbr+ -j RETURN
-A NETKIT-FWD -i lxdbr+ -j RETURN
-A NETKIT-FWD -o lxdbr+ -j RETURN
-A NETKIT-FWD -m physdev --physdev-is-bridged -j RETURN
-A NETKIT-FWD -j NETKIT-CLOSED
-I FORWARD -j NETKIT-FWD
COMMIT
*nat
:NETKIT-DNAT - [0:0]
:NETKIT-HAIRPIN - [0:0]
:NETKIT-EGRESS - [0:0]
:NETKIT-POST - [0:0]
-A NETKIT-POST -j NETKIT-HAIRPIN
-A NETKIT-POST -g NETKIT-EGRESS
-A PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-I POSTROUTING -j NETKIT-POST
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*raw
:NETKIT-DIRECT - [0:0]
:NETKIT-TUNNEL - [0:0]
:NETKIT-RAW - [0:0]
-A NETKIT-RAW -p udp -j NETKIT-TUNNEL
-A NETKIT-RAW -i lo -j RETURN
-A NETKIT-RAW -g NETKIT-DIRECT
-I PREROUTING -j NETKIT-RAW
COMMIT
*filter
:NETKIT-FROM - [0:0]
:NETKIT-TO - [0:0]
:NETKIT-PAIRS - [0:0]
:NETKIT-CLOSED - [0:0]
:NETKIT-WALLED - [0:0]
:NETKIT-WALL - [0:0]
:NETKIT-ADMIN - [0:0]
:NETKIT-LET - [0:0]
:NETKIT-IN - [0:0]
:NETKIT-INT - [0:0]
:NETKIT-NAT - [0:0]
:NETKIT-FWD - [0:0]
-A NETKIT-IN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A NETKIT-IN -m conntrack --ctstate DNAT -j ACCEPT
-A NETKIT-IN -j DROP
-A NETKIT-INT -j NETKIT-PAIRS
-A NETKIT-INT -j DROP
-A NETKIT-NAT -j NETKIT-PAIRS
-A NETKIT-NAT -m conntrack --ctstate INVALID -j DROP
-A NETKIT-NAT -j NETKIT-TO
-A NETKIT-NAT -o docker0 -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o br-+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o virbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o cni+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o podman+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxcbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -o lxdbr+ -m conntrack ! --ctstate DNAT -j DROP
-A NETKIT-NAT -j ACCEPT
-A NETKIT-FWD -j NETKIT-WALL
-A NETKIT-FWD -j NETKIT-ADMIN
-A NETKIT-FWD -j NETKIT-FROM
-A NETKIT-FWD -j NETKIT-TO
-A NETKIT-FWD -j NETKIT-LET
-A NETKIT-FWD -i docker0 -j RETURN
-A NETKIT-FWD -o docker0 -j RETURN
-A NETKIT-FWD -i br-+ -j RETURN
-A NETKIT-FWD -o br-+ -j RETURN
-A NETKIT-FWD -i virbr+ -j RETURN
-A NETKIT-FWD -o virbr+ -j RETURN
-A NETKIT-FWD -i cni+ -j RETURN
-A NETKIT-FWD -o cni+ -j RETURN
-A NETKIT-FWD -i podman+ -j RETURN
-A NETKIT-FWD -o podman+ -j RETURN
-A NETKIT-FWD -i lxcbr+ -j RETURN
-A NETKIT-FWD -o lxcbr+ -j RETURN
-A NETKIT-FWD -i lxdbr+ -j RETURN
-A NETKIT-FWD -o lxdbr+ -j RETURN
-A NETKIT-FWD -m physdev --physdev-is-bridged -j RETURN
-A NETKIT-FWD -j NETKIT-CLOSED
-I FORWARD -j NETKIT-FWD
COMMIT
*nat
:NETKIT-DNAT - [0:0]
:NETKIT-HAIRPIN - [0:0]
:NETKIT-EGRESS - [0:0]
:NETKIT-POST - [0:0]
-A NETKIT-POST -j NETKIT-HAIRPIN
-A NETKIT-POST -g NETKIT-EGRESS
-A PREROUTING ! -s fe80::/10 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-A OUTPUT ! -d ::1/128 -m addrtype --dst-type LOCAL -j NETKIT-DNAT
-I POSTROUTING -j NETKIT-POST
COMMIT
EOF
# IPv4 transit that is not ours stays as dead as it was
iptables -w -t filter -A NETKIT-CLOSED -j DROP -m comment --comment nk:25630829088c:ade61b059191
# packets between containers and the world pass through this host
sysctl -qw net/ipv4/ip_forward=1
# the way out is masqueraded, the way in is closed
iptables-restore --noflush -w <<'EOF'
*raw
-A NETKIT-DIRECT -d 10.5.72.0/24 -j DROP -m comment --comment nk:32552d8f9c5d:5cf5c666723b
-I NETKIT-DIRECT -i nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:5fab88631fa6
COMMIT
*filter
-A NETKIT-PAIRS -i nk-flannel -o nk-flannel -j ACCEPT -m comment --comment nk:32552d8f9c5d:febfcc08e6ea
-A NETKIT-TO -o nk-flannel -g NETKIT-IN -m comment --comment nk:32552d8f9c5d:fc0a8150ae27
-A NETKIT-FROM -i nk-flannel -g NETKIT-NAT -m comment --comment nk:32552d8f9c5d:6fe7cca0473a
COMMIT
*nat
-A NETKIT-HAIRPIN -s 10.5.72.0/24 -o nk-flannel -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:32552d8f9c5d:d51eee458249
-A NETKIT-EGRESS -s 10.5.72.0/24 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:32552d8f9c5d:d1b701ef930e
-A NETKIT-HAIRPIN -s 127.0.0.0/8 -o nk-flannel -j MASQUERADE -m comment --comment nk:32552d8f9c5d:55ff20112d79
-I NETKIT-EGRESS -o nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:03cec67a7a23
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*raw
-I NETKIT-DIRECT -i nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:e2376547e784
COMMIT
*filter
-A NETKIT-PAIRS -i nk-flannel -o nk-flannel -j ACCEPT -m comment --comment nk:32552d8f9c5d:dd2980ba8601
-A NETKIT-TO -o nk-flannel -g NETKIT-IN -m comment --comment nk:32552d8f9c5d:622209d5f794
-A NETKIT-FROM -i nk-flannel -g NETKIT-NAT -m comment --comment nk:32552d8f9c5d:9598bcd0189b
COMMIT
*nat
-I NETKIT-EGRESS -o nk-flannel -j RETURN -m comment --comment nk:32552d8f9c5d:85af01987c26
COMMIT
EOF
# the switch of the network; its own MAC, so that no port's coming or going changes it
ip link add name nk-flannel group 28267 address 02:be:85:09:d2:a3 mtu 1499 type bridge
# pin its MTU: a bridge fits it to its ports until someone changes it, hence born one short
ip link set dev nk-flannel mtu 1500
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nk-flannel/disable_ipv6=1
# the gateway that containers see
ip addr add 10.5.72.1/24 dev nk-flannel
# switch it on
ip link set dev nk-flannel up
# localhost:PORT on the host reaches published ports
sysctl -qw net/ipv4/conf/nk-flannel/route_localnet=1
# 10.5.9.0/24 and our containers talk without translation
iptables-restore --noflush -w <<'EOF'
*raw
-I NETKIT-DIRECT -s 10.5.9.0/24 -d 10.5.72.0/24 -i nic -j RETURN -m comment --comment nk:31449b8be8db:f91e808b7371
-I NETKIT-DIRECT -s 192.0.2.9/32 -d 10.5.72.0/24 -i nic -j RETURN -m comment --comment nk:44bd6970399c:d75fd8674c7c
COMMIT
*filter
-I NETKIT-TO -s 10.5.9.0/24 -d 10.5.72.0/24 -i nic -j ACCEPT -m comment --comment nk:31449b8be8db:5e640da0bff3
-I NETKIT-TO -s 192.0.2.9/32 -d 10.5.72.0/24 -i nic -j ACCEPT -m comment --comment nk:44bd6970399c:b1fc9514dccc
COMMIT
*nat
-I NETKIT-EGRESS -s 10.5.72.0/24 -d 10.5.9.0/24 -o nic -j RETURN -m comment --comment nk:31449b8be8db:03a9e68c79a7
-I NETKIT-EGRESS -s 10.5.72.0/24 -d 192.0.2.9/32 -o nic -j RETURN -m comment --comment nk:44bd6970399c:97403cd2d698
COMMIT
EOF
# 10.5.9.0/24 is behind the neighbour 192.0.2.9
ip route add 10.5.9.0/24 via 192.0.2.9 dev nic proto 142
# the cable between host and container
ip link add name nkda2830bc1765 group 28267 address 02:1a:09:91:88:e4 mtu 1500 type veth peer name eth0 netns /proc/1234/ns/net address 02:8e:f1:16:1f:29 mtu 1500
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a port of a switch has no address of its own
sysctl -qw net/ipv6/conf/nkda2830bc1765/disable_ipv6=1
# plug the host end into the bridge
ip link set dev nkda2830bc1765 master nk-flannel up
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.5.72.2/24 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# announce its addresses, once its port forwards
nsenter --net=/proc/1234/ns/net ip link set dev eth0 address 02:8e:f1:16:1f:29
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 10.5.72.1 dev eth0 proto 142
