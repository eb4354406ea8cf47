"""Fuzzing of what reads bytes from outside: `make fuzz`, or `python -m ops.fuzz --runs 10000000`."""
