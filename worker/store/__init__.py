"""The decision store: what was decided, kept on this machine for people and tools, append-only and hash-chained."""
