"""Training of the embedded text model: data, adaptation, calibration. Never imported by worker/."""
