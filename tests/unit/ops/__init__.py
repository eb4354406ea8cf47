"""Tests of `ops/`: what is shipped beside the worker."""
