"""Tests of `worker/deliver`: order, ledger, credits, and what is published."""
