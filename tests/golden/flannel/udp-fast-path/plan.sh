#!/bin/sh
set -e
# netkit's own table: it drops first, and touches no other
nft -f - <<'EOF'
add table inet netkit
add chain inet netkit tunnel
flush chain inet netkit tunnel
add chain inet netkit untracked { type filter hook output priority raw; policy accept; }
flush chain inet netkit untracked
add chain inet netkit first { type filter hook prerouting priority raw; policy accept; }
flush chain inet netkit first
add chain inet netkit publish
flush chain inet netkit publish
add chain inet netkit prerouting { type nat hook prerouting priority dstnat; policy accept; }
flush chain inet netkit prerouting
add chain inet netkit output { type nat hook output priority -100; policy accept; }
flush chain inet netkit output
add chain inet netkit postrouting { type nat hook postrouting priority srcnat; policy accept; }
flush chain inet netkit postrouting
add chain inet netkit masked
flush chain inet netkit masked
add chain inet netkit disguised { type filter hook postrouting priority srcnat + 1; policy accept; }
flush chain inet netkit disguised
add chain inet netkit to_nat
flush chain inet netkit to_nat
add chain inet netkit to_cable
flush chain inet netkit to_cable
add chain inet netkit from_nat
flush chain inet netkit from_nat
add chain inet netkit from_int
flush chain inet netkit from_int
add chain inet netkit from_cable
flush chain inet netkit from_cable
add chain inet netkit forward { type filter hook forward priority filter; policy accept; }
flush chain inet netkit forward
table inet netkit {
	set nkif { type ifname; }
	set nets4 { type ipv4_addr; flags interval; }
	set nets6 { type ipv6_addr; flags interval; }
	set masq4 { type ipv4_addr; flags interval; }
	set masq6 { type ipv6_addr; flags interval; }
	set hair4 { type ifname . ipv4_addr; flags interval; }
	set hair6 { type ifname . ipv6_addr; flags interval; }
	set switches { type ifname . ifname; }
	set pairs { type ifname . ifname; flags interval; }
	set closed { type nf_proto; }
	set routers { type nf_proto . ifname; }
	set back4 { type ipv4_addr . ipv4_addr; flags interval; }
	set back6 { type ipv6_addr . ipv6_addr; flags interval; }
	set keep4 { type ipv4_addr; }
	set keep6 { type ipv6_addr; }
	set let { type ifname; }
	set walls { type ifname; }
	set selves { type ifname . ifname; }
	set tunnels { typeof udp dport . @th,96,24; }
	set tunnel4 { typeof iifname . ip saddr . udp dport . @th,96,24; }
	set tunnel6 { typeof iifname . ip6 saddr . udp dport . @th,96,24; }
	set tunnel_any { typeof iifname . udp dport . @th,96,24; }
	set road4 { type ifname . ipv4_addr . ipv4_addr; flags interval; }
	set road6 { type ifname . ipv6_addr . ipv6_addr; flags interval; }
	map fwd_from { type ifname : verdict; }
	map fwd_to { type ifname : verdict; }
	map cable_from { type ifname . nf_proto : verdict; flags interval; }
	map cable_to { type ifname . nf_proto : verdict; flags interval; }
	map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
	map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
	map host4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
	map host6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
	map rany4 { type inet_proto . inet_service : ipv4_addr; flags interval; }
	map rany6 { type inet_proto . inet_service : ipv6_addr; flags interval; }
	map rhost4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr; flags interval; }
	map rhost6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr; flags interval; }
	map when4 { type ipv4_addr . inet_proto . inet_service : verdict; flags interval; }
	map when6 { type ipv6_addr . inet_proto . inet_service : verdict; flags interval; }
	chain tunnel {
		iifname . ip6 saddr . udp dport . @th,96,24 @tunnel6 notrack accept
		iifname . udp dport . @th,96,24 @tunnel_any notrack accept
		fib daddr type { local, broadcast, multicast } drop
	}
	chain untracked {
		udp dport . @th,96,24 @tunnels notrack
	}
	chain first {
		iifname . ip saddr . udp dport . @th,96,24 @tunnel4 notrack accept
		ip daddr 127.0.0.0/8 iifname != "lo" drop
		ip saddr 127.0.0.0/8 iifname != "lo" drop
		udp dport . @th,96,24 @tunnels jump tunnel
		iifname @nkif return
		iifname "lo" return
		iifname "nkp*" fib saddr . iif oif missing drop
		iifname "nkp*" return
		iifname . ip saddr . ip daddr @road4 return
		iifname . ip6 saddr . ip6 daddr @road6 return
		ip daddr @nets4 drop
		ip6 daddr @nets6 drop
	}
	chain publish {
		dnat ip to ip daddr . meta l4proto . th dport map @host4
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @host6
		dnat ip to meta l4proto . th dport map @any4
		dnat ip6 to meta l4proto . th dport map @any6
		dnat ip to ip daddr . meta l4proto . th dport map @rhost4
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @rhost6
		dnat ip to meta l4proto . th dport map @rany4
		dnat ip6 to meta l4proto . th dport map @rany6
		ip daddr . meta l4proto . th dport vmap @when4
		ip6 daddr . meta l4proto . th dport vmap @when6
	}
	chain prerouting {
		ip daddr 127.0.0.0/8 return
		ip6 saddr fe80::/10 return
		fib daddr type local jump publish
	}
	chain output {
		ip6 daddr ::1 return
		fib daddr type local jump publish
	}
	chain postrouting {
		oifname . ip daddr . ip saddr @road4 return
		oifname . ip6 daddr . ip6 saddr @road6 return
		ip saddr @masq4 oifname != @nkif oifname != "nkp*" ip daddr != 224.0.0.0/4 masquerade
		ip6 saddr @masq6 oifname != @nkif oifname != "nkp*" ip6 daddr != ff00::/8 masquerade
		ct status dnat ip daddr @keep4 return
		ct status dnat ip6 daddr @keep6 return
		ct status dnat oifname . ip saddr @hair4 masquerade
		ct status dnat oifname . ip6 saddr @hair6 masquerade
		ip saddr 127.0.0.0/8 oifname @nkif masquerade
		ip saddr 127.0.0.0/8 oifname "nkp*" masquerade
		ct status dnat ip saddr . ip daddr @back4 masquerade
		ct status dnat ip6 saddr . ip6 daddr @back6 masquerade
	}
	chain masked {
		meta iifkind "vxlan" return
		drop
	}
	chain disguised {
		ct status snat udp dport . @th,96,24 @tunnels iif != 0 goto masked
	}
	chain to_nat {
		ct state established,related accept
		ct status dnat accept
		drop
	}
	chain to_cable {
		oifname . meta nfproto vmap @cable_to
		drop
	}
	chain from_nat {
		iifname . oifname @pairs accept
		ct state invalid drop
		oifname "nkp*" goto to_cable
		oifname vmap @fwd_to
		oifname { "docker0", "br-*", "virbr*", "cni*", "podman*", "lxcbr*", "lxdbr*" } ct status ! dnat drop
		accept
	}
	chain from_int {
		iifname . oifname @pairs accept
		drop
	}
	chain from_cable {
		iifname . meta nfproto vmap @cable_from
		drop
	}
	chain forward {
		iifname . oifname @switches accept
		iifname @walls oifname @walls iifname . oifname != @selves drop
		iifname . ip saddr . ip daddr @road4 accept
		iifname . ip6 saddr . ip6 daddr @road6 accept
		iifname "nkp*" goto from_cable
		iifname vmap @fwd_from
		oifname "nkp*" goto to_cable
		oifname vmap @fwd_to
		iifname @let accept
		oifname @let accept
		iifname { "docker0", "br-*", "virbr*", "cni*", "podman*", "lxcbr*", "lxdbr*" } accept
		oifname { "docker0", "br-*", "virbr*", "cni*", "podman*", "lxcbr*", "lxdbr*" } accept
		iifname . oifname @selves accept
		meta nfproto != @closed accept
		meta nfproto . iifname @routers accept
		meta iifkind "bridge" meta oifkind "bridge" fib daddr . iif oif exists accept
		meta iifkind "bridge" meta oifkind "bridge" fib saddr . iif oif missing accept
		drop
	}
}
add table bridge netkit
add chain bridge netkit port_arp
flush chain bridge netkit port_arp
add chain bridge netkit port_ip4
flush chain bridge netkit port_ip4
add chain bridge netkit port_ip6
flush chain bridge netkit port_ip6
add chain bridge netkit port
flush chain bridge netkit port
add chain bridge netkit prerouting { type filter hook prerouting priority -300; policy accept; }
flush chain bridge netkit prerouting
table bridge netkit {
	set ports { type ifname; }
	set bind4 { type ifname . ether_addr . ipv4_addr; }
	set bind6 { type ifname . ether_addr . ipv6_addr; }
	set targets6 { typeof iifname . @th,64,128; }
	chain port_arp {
		arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . ether saddr . arp saddr ip @bind4 iifname . arp saddr ether . arp saddr ip @bind4 accept
		drop
	}
	chain port_ip4 {
		iifname . ether saddr . ip saddr != @bind4 drop
		ip saddr 0.0.0.0 udp dport != 67 drop
		ip saddr 0.0.0.0 meta l4proto != udp drop
		udp sport 67 drop
	}
	chain port_ip6 {
		iifname . ether saddr . ip6 saddr != @bind6 drop
		icmpv6 type { nd-router-advert, nd-redirect } drop
		udp sport 547 drop
		ip6 saddr :: icmpv6 type != { nd-router-solicit, nd-neighbor-solicit, mld2-listener-report } drop
		ip6 saddr :: meta l4proto != ipv6-icmp drop
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit != 255 drop
		icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 drop
	}
	chain port {
		ether type vmap { arp : goto port_arp, ip : goto port_ip4, ip6 : goto port_ip6 }
		drop
	}
	chain prerouting {
		iifname @ports goto port
	}
}
EOF
# IPv4 transit that is not ours stays as dead as it was
nft add element inet netkit closed '{ ipv4 }'
# packets between containers and the world pass through this host
sysctl -qw net/ipv4/ip_forward=1
# the way out is masqueraded, the way in is closed
nft -f - <<'EOF'
add element inet netkit nkif { "nk-flannel" }
add element inet netkit switches { "nk-flannel" . "nk-flannel" }
add element inet netkit nets4 { 10.5.72.0/24 }
add element inet netkit masq4 { 10.5.72.0/24 }
add element inet netkit hair4 { "nk-flannel" . 10.5.72.0/24 }
add element inet netkit fwd_from { "nk-flannel" : goto from_nat }
add element inet netkit fwd_to { "nk-flannel" : goto to_nat }
EOF
# the switch of the network; its own MAC, so that no port's coming or going changes it
ip link add name nk-flannel group 28267 address 02:be:85:09:d2:a3 mtu 1471 type bridge
# pin its MTU: a bridge fits it to its ports until someone changes it, hence born one short
ip link set dev nk-flannel mtu 1472
# no IPv6 where none was asked for
sysctl -qw net/ipv6/conf/nk-flannel/disable_ipv6=1
# the gateway that containers see
ip addr add 10.5.72.1/24 dev nk-flannel
# switch it on
ip link set dev nk-flannel up
# 10.5.0.0/16 and our containers talk without translation
nft add element inet netkit road4 '{ "flannel0" . 10.5.0.0/16 . 10.5.72.0/24 }'
# what is plain IPv4 passes in the kernel, past the proxy and the IP firewall's look at its UDP
# eBPF: put programs at flannel0 and nic that do in the kernel what the proxy does
# localhost:PORT on the host reaches published ports
sysctl -qw net/ipv4/conf/nk-flannel/route_localnet=1
# 10.5.9.0/24 is behind 192.0.2.9, by UDP
ip route add 10.5.9.0/24 dev flannel0 proto 142
# 10.5.9.0/24 is behind 192.0.2.9, which has a fast path
# eBPF: tell the program at flannel0 that 10.5.9.0/24 is behind 192.0.2.9 port 8285, which takes what a kernel sends
# it can speak for itself only: no spoofed MAC, ARP, address or RA
nft -f - <<'EOF'
add element bridge netkit ports { "nkda2830bc1765" }
add element bridge netkit bind4 { "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 10.5.72.2, "nkda2830bc1765" . 02:8e:f1:16:1f:29 . 0.0.0.0 }
EOF
# the cable between host and container
ip link add name nkda2830bc1765 group 28267 address 02:1a:09:91:88:e4 mtu 1472 type veth peer name eth0 netns /proc/1234/ns/net address 02:8e:f1:16:1f:29 mtu 1472
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
