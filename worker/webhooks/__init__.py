"""Webhooks: decisions of a tenant posted to its URL, signed, tried again, and set aside when nobody takes them."""
