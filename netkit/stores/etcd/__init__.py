"""`etcd://host:2379/prefix`: a network in etcd, in the layout and JSON of flannel, whose daemons may share it."""
