#!/bin/sh
set -e
ip link set dev nk542a8c6fac63 down
iptables-restore --noflush -w <<'EOF'
*nat
-D NETKIT-DNAT -d 192.0.2.2 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 10.90.0.2:443 -m comment --comment nk:542a8c6fac63:91254810835e
-D NETKIT-DNAT -p udp -m udp --dport 7000:7002 -j DNAT --to-destination 10.90.0.2:80-82/7000 -m comment --comment nk:542a8c6fac63:6e2ff2d1b51a
-D NETKIT-DNAT -p tcp -m tcp --dport 9000:9099 -j DNAT --to-destination 10.90.0.2 -m comment --comment nk:542a8c6fac63:2d532cd7b67d
COMMIT
EOF
conntrack -D -f ipv4 -p tcp --orig-dst 192.0.2.2 --orig-port-dst 8443 || :
conntrack -D -f ipv4 -p udp --orig-port-dst 7000 || :
conntrack -D -f ipv4 -p udp --orig-port-dst 7001 || :
conntrack -D -f ipv4 -p udp --orig-port-dst 7002 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9000 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9001 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9002 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9003 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9004 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9005 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9006 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9007 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9008 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9009 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9010 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9011 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9012 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9013 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9014 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9015 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9016 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9017 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9018 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9019 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9020 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9021 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9022 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9023 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9024 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9025 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9026 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9027 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9028 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9029 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9030 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9031 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9032 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9033 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9034 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9035 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9036 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9037 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9038 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9039 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9040 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9041 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9042 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9043 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9044 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9045 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9046 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9047 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9048 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9049 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9050 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9051 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9052 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9053 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9054 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9055 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9056 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9057 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9058 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9059 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9060 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9061 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9062 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9063 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9064 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9065 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9066 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9067 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9068 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9069 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9070 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9071 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9072 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9073 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9074 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9075 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9076 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9077 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9078 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9079 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9080 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9081 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9082 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9083 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9084 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9085 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9086 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9087 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9088 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9089 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9090 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9091 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9092 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9093 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9094 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9095 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9096 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9097 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9098 || :
conntrack -D -f ipv4 -p tcp --orig-port-dst 9099 || :
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
ip link del dev nk542a8c6fac63
