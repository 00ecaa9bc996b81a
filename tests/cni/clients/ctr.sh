# Prints the container's address, netkit's attachments, and what the container answers.
containerd >/run/containerd.log 2>&1 & daemon=$!
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do ctr version >/dev/null 2>&1 && break; sleep 0.3; done
ctr run --rootfs --cni $rootfs web /bin/busybox sh -c "$serve" >&2 & client=$!
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do netkit ps | grep -q eth0 && break; sleep 0.3; done
sleep 1
ctr task exec --exec-id look web /bin/busybox ip -o -4 addr show dev eth0 | tr '/' ' ' | awk '{print $4}'
netkit ps --json | tr -d '\n'; echo
curl --silent --max-time 3 http://$(netkit ps --json | grep -o '10\.90\.[0-9.]*' | head -1)/
ctr task kill --signal SIGKILL web >&2; wait $client; kill $daemon; wait $daemon
