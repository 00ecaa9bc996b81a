#!/bin/sh
set -e
nsenter --net=/proc/1234/ns/net ip link del dev nq3c61d9511666
nsenter --net=/proc/1234/ns/net ip addr del 127.0.0.1/8 dev lo
nsenter --net=/proc/1234/ns/net ip link set dev lo down
nsenter --net=/proc/1234/ns/net ip link del dev eth0
