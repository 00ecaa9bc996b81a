"""What netkit thinks in: ops, plans and rules, and how they read as text. All pure."""
