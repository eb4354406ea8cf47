"""Bytes to events: the envelope first, cheap; then text, pictures and sound within the tenant's limits."""
