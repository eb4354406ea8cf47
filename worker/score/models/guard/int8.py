"""Linear layers whose weights are kept in int8, a scale for each output: half the memory of bfloat16."""

from __future__ import annotations

from typing import Any

import torch

_KEPT_WHOLE = ("lm_head", "vision", "multi_modal_projector")  # where a rounded weight costs most or saves least


class Int8Linear(torch.nn.Module):
    """y = x W^T + b with W = int8 [out, in] times scale [out]; computed in the input's dtype."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1).clamp_min(1e-12) / 127
        self.register_buffer("weight", (weight / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale.to(linear.weight.dtype))
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[…, in] to […, out]."""
        y = torch.nn.functional.linear(x, self.weight.to(x.dtype)) * self.scale
        return y if self.bias is None else y + self.bias


def with_int8_weights(model: Any) -> None:
    """Replace the linear layers of the language model, in place."""
    for name, module in list(model.named_modules()):
        for child, layer in list(module.named_children()):
            path = f"{name}.{child}"
            if isinstance(layer, torch.nn.Linear) and not any(kept in path for kept in _KEPT_WHOLE):
                setattr(module, child, Int8Linear(layer))
