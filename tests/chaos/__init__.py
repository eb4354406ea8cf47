"""The chaos harness: its checks, and a short run of it."""
