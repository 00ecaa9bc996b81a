"""The CNI executable, driven as a runtime drives it."""
