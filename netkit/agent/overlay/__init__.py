"""What keeps overlays true while no command runs."""
