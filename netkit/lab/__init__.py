"""Labs: whole networks as files, built in namespaces, checked by packets, and gone without a trace."""
