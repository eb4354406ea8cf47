"""Codecs in processes of their own, with bounds on time and memory: what breaks there takes one part along."""
