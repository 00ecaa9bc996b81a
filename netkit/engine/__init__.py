"""The engine: the only one that acts."""
