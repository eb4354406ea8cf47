"""Tests of worker.cli.policy."""
