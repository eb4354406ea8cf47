"""The one loop: three tasks over ports. Intake reads and admits, judging scores in lanes, the outlet publishes."""

from worker.pipeline.loop import Pipeline

__all__ = ["Pipeline"]
