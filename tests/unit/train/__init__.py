"""Tests of the training data."""
