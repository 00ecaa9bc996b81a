#!/bin/sh
set -e
iptables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.22.0.2:80 -m comment --comment nk:090ac2afa392:2cf273374e3c
-D NETKIT-HAIRPIN -d 10.22.0.2 -m conntrack --ctstate DNAT -j RETURN -m comment --comment nk:59acf5adb248:b335ebf29a1f
COMMIT
EOF
conntrack -D -f ipv4 -p tcp --orig-port-dst 8080 || :
