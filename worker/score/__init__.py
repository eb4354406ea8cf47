"""Lanes, batching and models: views in, scores and derived text out."""
