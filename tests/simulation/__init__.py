"""Deterministic simulation: the real loop over a queue that fails, on a clock of its own, thousands of schedules."""
