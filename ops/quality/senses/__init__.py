"""What pictures and speech hide from the pipeline: `python -m ops.quality.senses`."""
