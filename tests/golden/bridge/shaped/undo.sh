#!/bin/sh
set -e
ip link set dev nk542a8c6fac63 down
ip link set dev nq542a8c6fac63 down
nft -f - <<'EOF'
add element bridge netkit ports { "nk542a8c6fac63" }
add element bridge netkit bind4 { "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 10.90.0.2, "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 0.0.0.0 }
delete element bridge netkit ports { "nk542a8c6fac63" }
delete element bridge netkit bind4 { "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 10.90.0.2, "nk542a8c6fac63" . 02:e0:e9:32:62:71 . 0.0.0.0 }
EOF
ip link del dev nq542a8c6fac63
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk542a8c6fac63
