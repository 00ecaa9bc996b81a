# Prints the container's address, netkit's attachments, and what the published port answers.
printf '[storage]\ndriver="vfs"\nrunroot="/run/cs"\ngraphroot="/var/lib/containers/storage"\n' >/etc/containers/storage.conf
printf '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
printf '[network]\nnetwork_backend="cni"\ncni_plugin_dirs=["/opt/cni/bin"]\nnetwork_config_dir="/etc/cni/net.d"\n' \
    >/etc/containers/containers.conf
printf '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nruntime="runc"\n' >>/etc/containers/containers.conf
podman run -d --network netkit -p 8080:80 --name web --security-opt seccomp=unconfined --rootfs $rootfs \
    /bin/busybox sh -c "$serve" >&2 || exit 1
sleep 1
podman inspect web --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
netkit ps --json | tr -d '\n'; echo
curl --silent --max-time 3 http://127.0.0.1:8080/
podman rm -f -t 0 web >&2
