"""ONNX models opened alike: checked weights, one thread a call, CUDA when there is one and onnxruntime can use it."""

from __future__ import annotations

import onnxruntime

from worker.score.weights import Pinned


def open_session(weights: Pinned, device: str = "auto") -> onnxruntime.InferenceSession:
    """
    A session on the pinned model file.

    One thread a call: the callers run several calls side by side, which was faster on 2 cores than sharing threads.

    Args:
        device: "cpu", "cuda" or "auto"; CUDA needs the onnxruntime build that has it, and is left out without.

    Raises:
        WeightsRejected: the weights are missing or not the pinned ones.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    return onnxruntime.InferenceSession(str(weights.path()), sess_options=options, providers=providers)
