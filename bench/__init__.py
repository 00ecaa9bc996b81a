"""Side-by-side figures: netkit beside public tools, on the same machine, in the same run."""
