"""Tests of the house itself: imports, sizes, start-up, prose, and the oracle."""
