"""The queues, each by itself."""
