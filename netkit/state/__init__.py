"""What netkit knows, in plain files."""
