"""Tests of worker.policy."""
