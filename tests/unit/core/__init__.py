"""Tests of `worker/core`: the types and rules that every stage leans on."""
