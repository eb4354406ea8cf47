"""Verdicts of the windows of a call or conversation to the state of it: pure, with the time in its windows."""
