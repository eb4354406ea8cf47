"""Tests of `worker/cli`."""
