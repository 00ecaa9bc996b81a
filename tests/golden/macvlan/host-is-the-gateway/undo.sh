#!/bin/sh
set -e
ip route del 10.90.0.2/32 dev nk-side proto 142
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
nsenter --net=/proc/1234/ns/net ip link del dev eth0
ip link del dev nk-side
