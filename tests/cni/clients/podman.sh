# podman with the CNI backend.
printf '[storage]\ndriver="vfs"\nrunroot="/run/cs"\ngraphroot="/var/lib/containers/storage"\n' >/etc/containers/storage.conf
printf '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
printf '[network]\nnetwork_backend="cni"\ncni_plugin_dirs=["/opt/cni/bin"]\nnetwork_config_dir="/etc/cni/net.d"\n' \
    >/etc/containers/containers.conf
printf '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nruntime="runc"\n' >>/etc/containers/containers.conf
[ "$(podman info --format '{{.Host.NetworkBackend}}')" = cni ] || unable "this podman knows no CNI"
able podman run --rm --network none --security-opt seccomp=unconfined --rootfs $rootfs /bin/busybox true
podman run -d --network netkit -p 8080:80 --name web --security-opt seccomp=unconfined --rootfs $rootfs \
    /bin/busybox sh -c "$serve" >&2 || exit 1
show podman exec web $look
podman rm -f -t 0 web >&2
