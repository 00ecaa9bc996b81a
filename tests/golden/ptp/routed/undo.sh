#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nkpadlz459f3e03
nft -f - <<'EOF'
add element inet netkit pairs { "nkpadlz*" . "nkpadlz*" }
add element inet netkit hair6 { "nkpadlz*" . fd00:91::/64 }
add element inet netkit cable_from { "nkpadlz*" . ipv6 : goto from_nat }
add element inet netkit cable_to { "nkpadlz*" . ipv6 : accept }
delete element inet netkit pairs { "nkpadlz*" . "nkpadlz*" }
delete element inet netkit hair6 { "nkpadlz*" . fd00:91::/64 }
delete element inet netkit cable_from { "nkpadlz*" . ipv6 }
delete element inet netkit cable_to { "nkpadlz*" . ipv6 }
EOF
sysctl -qw net/ipv6/conf/all/forwarding=0
sysctl -qw net/ipv6/conf/eth0/accept_ra=1
nft -f - <<'EOF'
add element inet netkit closed { ipv6 }
delete element inet netkit closed { ipv6 }
EOF
nft -f - <<'EOF'
add table inet netkit
delete table inet netkit
add table bridge netkit
delete table bridge netkit
EOF
