"""One file a mode, each mostly a composition of parts."""
