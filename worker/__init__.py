"""Tidegate: a streaming moderation worker for message queues."""

__version__ = "0.1.0"
