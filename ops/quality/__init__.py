"""The project's own evaluation: `python -m ops.quality`."""
