#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
nsenter --net=/proc/1234/ns/net ip link set dev eth0 netns $$ name enp3s0
for link in /sys/class/net/*; do [ "$(cat $link/ifalias)" = enp3s0 ] && ip link set dev ${link##*/} name enp3s0 alias storage; done; :
ip link set dev enp3s0 up
ip addr add 10.50.0.1/24 dev enp3s0 brd 10.50.0.255
ip route add 10.60.0.0/16 via 10.50.0.9 dev enp3s0 proto 4 metric 7
sysctl -qw net/ipv4/conf/enp3s0/rp_filter=2
