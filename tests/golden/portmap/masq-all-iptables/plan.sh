#!/bin/sh
set -e
# localhost:PORT on the host reaches published ports
sysctl -qw net/ipv4/conf/cni0/route_localnet=1
# host port 8080 of every matching local address leads here
iptables-restore --noflush -w <<'EOF'
*nat
-A NETKIT-HAIRPIN -s 0.0.0.0/0 -d 10.22.0.2 -m conntrack --ctstate DNAT -j MASQUERADE -m comment --comment nk:f2ead33e9dd9:cc2aa035ebcd
-A NETKIT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.22.0.2:80 -m comment --comment nk:090ac2afa392:2cf273374e3c
COMMIT
EOF
