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
-A NETKIT-DIRECT -d 10.90.0.0/16 -j DROP -m comment --comment nk:7d8722c6b66d:ce267a60b007
-I NETKIT-DIRECT -i netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:057096c9c631
COMMIT
*filter
-A NETKIT-PAIRS -i netkit0 -o netkit0 -j ACCEPT -m comment --comment nk:7d8722c6b66d:b52efac73081
-A NETKIT-TO -o netkit0 -g NETKIT-IN -m comment --comment nk:7d8722c6b66d:2e022e5e2fad
-A NETKIT-FROM -i netkit0 -g NETKIT-NAT -m comment --comment nk:7d8722c6b66d:16879a8d5336
COMMIT
*nat
-A NETKIT-HAIRPIN -s 10.90.0.0/16 -o netkit0 -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:7d8722c6b66d:43dac2a1e291
-A NETKIT-EGRESS -s 10.90.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:7d8722c6b66d:3cc491257bfb
-A NETKIT-HAIRPIN -s 127.0.0.0/8 -o netkit0 -j MASQUERADE -m comment --comment nk:7d8722c6b66d:7290ff08f903
-I NETKIT-EGRESS -o netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:76278bb566cc
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*raw
-I NETKIT-DIRECT -i netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:0518371851e6
COMMIT
*filter
-A NETKIT-PAIRS -i netkit0 -o netkit0 -j ACCEPT -m comment --comment nk:7d8722c6b66d:19fd14ec048d
-A NETKIT-TO -o netkit0 -g NETKIT-IN -m comment --comment nk:7d8722c6b66d:faa2bb41aee4
-A NETKIT-FROM -i netkit0 -g NETKIT-NAT -m comment --comment nk:7d8722c6b66d:73b3bf710c3b
COMMIT
*nat
-I NETKIT-EGRESS -o netkit0 -j RETURN -m comment --comment nk:7d8722c6b66d:c4b7926ee08d
COMMIT
EOF
# the switch of the network; its own MAC, so that no port's coming or going changes it
ip link add name netkit0 group 28267 address 02:30:56:cc:ff:7d mtu 1449 type bridge
# pin its MTU: a bridge fits it to its ports until someone changes it, hence born one short
ip link set dev netkit0 mtu 1450
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/netkit0/disable_ipv6=1
# the gateway that containers see
ip addr add 10.90.0.1/16 dev netkit0
# switch it on
ip link set dev netkit0 up
# localhost:PORT on the host reaches published ports
sysctl -qw net/ipv4/conf/netkit0/route_localnet=1
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
# host port 8080 of every matching local address leads here
iptables -w -t nat -A NETKIT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.90.0.2:80 -m comment --comment nk:542a8c6fac63:ddda2222b8f6
