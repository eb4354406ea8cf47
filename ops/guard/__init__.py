"""Tiny guard checkpoints of the true architectures with random weights, for tests and benches."""
