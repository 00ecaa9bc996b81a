#!/bin/sh
set -e
firewall-cmd --zone=trusted --remove-source=10.22.0.2/32
iptables -w -t filter -D NETKIT-ADMIT -i cni0 -j ACCEPT -m comment --comment nk:dfaeab00c2b4:73b93e46de90
iptables -w -t filter -D NETKIT-ADMIT -o cni0 -j ACCEPT -m comment --comment nk:dfaeab00c2b4:a33a890c0f7a
nft -f - <<'EOF'
add element inet netkit let { "cni0" }
add element inet netkit walls { "cni0" }
add element inet netkit selves { "cni0" . "cni0" }
delete element inet netkit let { "cni0" }
delete element inet netkit walls { "cni0" }
delete element inet netkit selves { "cni0" . "cni0" }
EOF
nft -f - <<'EOF'
add table inet netkit
delete table inet netkit
add table bridge netkit
delete table bridge netkit
EOF
