# containerd. `ctr` knows no published ports and hands none over; its CNI library passes on what a configuration says.
sed -i 's/"type": "netkit",/&"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80}]},/' /etc/cni/net.d/*
containerd >/run/containerd.log 2>&1 & daemon=$!
until_true ctr version
able ctr run --rm --rootfs $rootfs able /bin/busybox true
ctr run --rm --rootfs --cni $rootfs web /bin/busybox sh -c "$serve" >&2 & client=$!
show ctr task exec --exec-id look web $look
ctr task kill --signal SIGKILL web >&2; wait $client; kill $daemon; wait $daemon
