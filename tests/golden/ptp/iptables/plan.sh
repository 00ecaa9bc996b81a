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
-A NETKIT-DIRECT -d 10.91.0.0/16 -j DROP -m comment --comment nk:871d8edb4e1a:022e0c4031d5
-I NETKIT-DIRECT -i nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:a220bd2aee00
-I NETKIT-DIRECT -i nkp2ers+ -m rpfilter --invert -j DROP -m comment --comment nk:871d8edb4e1a:ff77fd03104b
COMMIT
*filter
-A NETKIT-PAIRS -i nkp2ers+ -o nkp2ers+ -j ACCEPT -m comment --comment nk:871d8edb4e1a:abc12a67e453
-A NETKIT-TO -o nkp2ers+ -g NETKIT-IN -m comment --comment nk:871d8edb4e1a:44189babb7c1
-A NETKIT-FROM -i nkp2ers+ -g NETKIT-NAT -m comment --comment nk:871d8edb4e1a:87448295f8fe
COMMIT
*nat
-A NETKIT-HAIRPIN -s 10.91.0.0/16 -o nkp2ers+ -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:871d8edb4e1a:773283076564
-A NETKIT-EGRESS -s 10.91.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:871d8edb4e1a:0dd97b0f6ec1
-A NETKIT-HAIRPIN -s 127.0.0.0/8 -o nkp2ers+ -j MASQUERADE -m comment --comment nk:871d8edb4e1a:11f8eb2b9ca6
-I NETKIT-EGRESS -o nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:37afa27e070b
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*raw
-I NETKIT-DIRECT -i nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:e250f12f81d4
-I NETKIT-DIRECT -i nkp2ers+ -m rpfilter --invert -j DROP -m comment --comment nk:871d8edb4e1a:b05205b1e898
COMMIT
*filter
-A NETKIT-PAIRS -i nkp2ers+ -o nkp2ers+ -j ACCEPT -m comment --comment nk:871d8edb4e1a:78e8ee3de0f5
-A NETKIT-TO -o nkp2ers+ -g NETKIT-IN -m comment --comment nk:871d8edb4e1a:60cfac6eb6b4
-A NETKIT-FROM -i nkp2ers+ -g NETKIT-NAT -m comment --comment nk:871d8edb4e1a:bda06f00f8ff
COMMIT
*nat
-I NETKIT-EGRESS -o nkp2ers+ -j RETURN -m comment --comment nk:871d8edb4e1a:4a856b1e9520
COMMIT
EOF
# the cable between host and container
ip link add name nkp2ers80218d98 group 28267 address 02:6e:7f:03:07:1a mtu 1450 type veth peer name eth0 netns /proc/1234/ns/net address 02:bc:14:6e:e5:31 mtu 1450
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nkp2ers80218d98/disable_ipv6=1
# the host's end is a port of its own, plugged into nothing
ip link set dev nkp2ers80218d98 up
# the gateway that the container sees, on every cable the same
ip addr add 10.91.0.1/32 dev nkp2ers80218d98
# the way to the container
ip route add 10.91.0.2/32 dev nkp2ers80218d98 proto 142
# localhost:PORT on the host reaches published ports
sysctl -qw net/ipv4/conf/nkp2ers80218d98/route_localnet=1
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.91.0.2/32 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# the gateway is at the other end of the cable, whatever the address says
nsenter --net=/proc/1234/ns/net ip route add 10.91.0.1/32 dev eth0 proto 142
# siblings are behind the gateway, not on the cable
nsenter --net=/proc/1234/ns/net ip route add 10.91.0.0/16 via 10.91.0.1 dev eth0 proto 142
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 10.91.0.1 dev eth0 proto 142
# host port 8080 of every matching local address leads here
iptables -w -t nat -A NETKIT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.91.0.2:80 -m comment --comment nk:80218d9896f4:3b33a0dfc00d
