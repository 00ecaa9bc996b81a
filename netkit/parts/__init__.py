"""Composable pieces of a plan, each a pure function."""
