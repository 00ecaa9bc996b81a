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
-A NETKIT-DIRECT -d 10.142.0.0/16 -j DROP -m comment --comment nk:d16a5d0cde95:5ccd1ea647b9
-I NETKIT-DIRECT -i nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:147d102d1d9b
COMMIT
*filter
-A NETKIT-PAIRS -i nk-overlay42 -o nk-overlay42 -j ACCEPT -m comment --comment nk:d16a5d0cde95:bdb216ae29c3
-A NETKIT-TO -o nk-overlay42 -g NETKIT-IN -m comment --comment nk:d16a5d0cde95:7b4d7cf44006
-A NETKIT-FROM -i nk-overlay42 -g NETKIT-NAT -m comment --comment nk:d16a5d0cde95:abd5d04f5e60
COMMIT
*nat
-A NETKIT-HAIRPIN -s 10.142.0.0/16 -o nk-overlay42 -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:d16a5d0cde95:7d7622c6f305
-A NETKIT-EGRESS -s 10.142.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment nk:d16a5d0cde95:bd02712ed7c2
-A NETKIT-HAIRPIN -s 127.0.0.0/8 -o nk-overlay42 -j MASQUERADE -m comment --comment nk:d16a5d0cde95:5994b103c005
-I NETKIT-EGRESS -o nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:51c432fce154
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*raw
-I NETKIT-DIRECT -i nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:bfde2a76d350
COMMIT
*filter
-A NETKIT-PAIRS -i nk-overlay42 -o nk-overlay42 -j ACCEPT -m comment --comment nk:d16a5d0cde95:03ddef7e373f
-A NETKIT-TO -o nk-overlay42 -g NETKIT-IN -m comment --comment nk:d16a5d0cde95:141169a1057c
-A NETKIT-FROM -i nk-overlay42 -g NETKIT-NAT -m comment --comment nk:d16a5d0cde95:d40dc4f9978d
COMMIT
*nat
-I NETKIT-EGRESS -o nk-overlay42 -j RETURN -m comment --comment nk:d16a5d0cde95:a334074539ff
COMMIT
EOF
# VXLAN trusts whoever sends: let in what its peers send alone
ip6tables-restore --noflush -w <<'EOF'
*raw
-A NETKIT-TUNNEL -p udp -m udp --dport 4789 -m addrtype --dst-type LOCAL -j DROP -m comment --comment nk:9d8127b45a3d:4fbbdc52b503
-A NETKIT-TUNNEL -p udp -m udp --dport 4789 -m addrtype --dst-type MULTICAST -j DROP -m comment --comment nk:9d8127b45a3d:c73f4e18be01
COMMIT
*filter
-A NETKIT-WALL ! -i nkw42 -o nkw42 -p udp -m udp --dport 4789 -j DROP -m comment --comment nk:9d8127b45a3d:43d95d2da2ba
COMMIT
EOF
# what the tunnel's frames travel in
ip link add name nkw42 group 28267 mtu 1420 type wireguard
# the tunnel's packets are IPv6 in there
sysctl -qw net/ipv6/conf/nkw42/disable_ipv6=0
# this host's address in there, which follows from its key
ip addr add fd52:f7bd:d576:d52b:d38e:2618:1896:3650/128 dev nkw42 nodad
# switch it on
ip link set dev nkw42 up
# its own key, and the port where the others find it
wg set nkw42 listen-port 51942 private-key /var/lib/netkit/wireguard/overlay42.private
# if the link is away frames go nowhere, and not in clear
ip -6 route add fd52:f7bd:d576:d52b::/64 dev lo proto 142 metric 1048576
# all hosts of the overlay are behind it
ip -6 route add fd52:f7bd:d576:d52b::/64 dev nkw42 proto 142
# the switch of the network; its own MAC, so that no port's coming or going changes it
ip link add name nk-overlay42 group 28267 address 02:60:eb:5a:5d:19 mtu 1349 type bridge
# pin its MTU: a bridge fits it to its ports until someone changes it, hence born one short
ip link set dev nk-overlay42 mtu 1350
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nk-overlay42/disable_ipv6=1
# the gateway that containers see
ip addr add 10.142.0.1/16 dev nk-overlay42
# switch it on
ip link set dev nk-overlay42 up
# the tunnel: frames travel in UDP from fd52:f7bd:d576:d52b:d38e:2618:1896:3650 port 4789
ip link add name nkv42 group 28267 address 02:18:a3:8b:c7:28 mtu 1350 type vxlan id 42 local fd52:f7bd:d576:d52b:d38e:2618:1896:3650 dev nkw42 dstport 4789 nolearning
# a port of a switch has no address of its own
sysctl -qw net/ipv6/conf/nkv42/disable_ipv6=1
# plug the tunnel into the bridge
ip link set dev nkv42 master nk-overlay42 up
# whoever is behind the tunnel is known: nothing is flooded or learned
bridge link set dev nkv42 neigh_suppress on learning off flood off mcast_flood off bcast_flood off
# localhost:PORT on the host reaches published ports
sysctl -qw net/ipv4/conf/nk-overlay42/route_localnet=1
# who has this key is the host at 2001:db8::2
wg set nkw42 peer PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0= endpoint '[2001:db8::2]:51942' persistent-keepalive 0 allowed-ips fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de/128
# what fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de sends is let in
ip6tables-restore --noflush -w <<'EOF'
*raw
-I NETKIT-TUNNEL -s fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de/128 -i nkw42 -p udp -m udp --dport 4789 -m addrtype --dst-type LOCAL -j RETURN -m comment --comment nk:7c9e4f3df767:2933d073acc3
-I NETKIT-TUNNEL -s fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de/128 -i nkw42 -p udp -m udp --dport 4789 -m addrtype --dst-type MULTICAST -j RETURN -m comment --comment nk:7c9e4f3df767:1768adcff788
COMMIT
EOF
# 10.142.9.1 is on host 2001:db8::2
bridge fdb replace 02:00:00:00:00:01 dev nkv42 dst fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de self permanent
bridge fdb replace 02:00:00:00:00:01 dev nkv42 master static
# nobody has to ask who 10.142.9.1 is
ip neigh replace 10.142.9.1 lladdr 02:00:00:00:00:01 dev nk-overlay42 nud permanent
# 10.142.9.2 is on host 2001:db8::2
bridge fdb replace 02:00:00:00:00:02 dev nkv42 dst fd52:f7bd:d576:d52b:ca16:4ee4:df5a:d4de self permanent
bridge fdb replace 02:00:00:00:00:02 dev nkv42 master static
# nobody has to ask who 10.142.9.2 is
ip neigh replace 10.142.9.2 lladdr 02:00:00:00:00:02 dev nk-overlay42 nud permanent
# the cable between host and container
ip link add name nkbd66c49d2ef8 group 28267 address 02:ad:bb:83:68:0b mtu 1350 type veth peer name eth0 netns /proc/1234/ns/net address 02:ee:e2:09:a4:f1 mtu 1350
# announce its address by gratuitous ARP
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv4/conf/eth0/arp_notify=1
# no IPv6 where none was asked for
nsenter --net=/proc/1234/ns/net sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1
# a port of a switch has no address of its own
sysctl -qw net/ipv6/conf/nkbd66c49d2ef8/disable_ipv6=1
# plug the host end into the bridge
ip link set dev nkbd66c49d2ef8 master nk-overlay42 up
# a process expects to reach itself at 127.0.0.1
nsenter --net=/proc/1234/ns/net ip link set dev lo up
# its address, from netkit's IPAM
nsenter --net=/proc/1234/ns/net ip addr add 10.142.0.2/16 dev eth0
# the container end is ready
nsenter --net=/proc/1234/ns/net ip link set dev eth0 up
# announce its addresses, once its port forwards
nsenter --net=/proc/1234/ns/net ip link set dev eth0 address 02:ee:e2:09:a4:f1
# everything else goes by the gateway
nsenter --net=/proc/1234/ns/net ip route add default via 10.142.0.1 dev eth0 proto 142
