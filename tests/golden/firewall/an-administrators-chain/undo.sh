#!/bin/sh
set -e
iptables-restore --noflush -w <<'EOF'
*filter
-D FORWARD -j MY-RULES -m comment --comment nk:8e9aa831ad26:88de8848d8e0
COMMIT
EOF
ip6tables-restore --noflush -w <<'EOF'
*filter
-D FORWARD -j MY-RULES -m comment --comment nk:8e9aa831ad26:c514da51ba69
COMMIT
EOF
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
