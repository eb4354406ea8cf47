"""Chaos: real workers on a real Kafka, hurt at random times from a seed, and a reader that counts every record."""
