"""Deliver: verdicts to published decisions, in order, acknowledged before their offsets count as finished."""
