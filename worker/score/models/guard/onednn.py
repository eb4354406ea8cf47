"""
A decoder's layers as oneDNN runs them fastest on CPU: weights laid out once, activations inside the products.

These are the operators that torch's own compiler puts in the place of linear layers when it freezes a model
(torch/_inductor/fx_passes/mkldnn_fusion.py); used directly they need no C++ compiler where the worker runs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_ACTIVATIONS = {"gelu_pytorch_tanh": ("gelu", "tanh"), "silu": ("swish", ""), "swish": ("swish", "")}
_USUAL_TOKENS = 640  # that a forward has; weights are laid out for it, and right for any number


class PackedLinear(nn.Module):
    """y = act(x W^T + b), W laid out by oneDNN; float32."""

    def __init__(self, linear: nn.Linear, activation: tuple[str, str] = ("none", "")) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().contiguous(), _USUAL_TOKENS)
        self.bias = linear.bias
        self._activation, self._algorithm = activation

    def forward(self, x: Tensor) -> Tensor:
        """[…, in] to […, out]."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, self._activation, [], self._algorithm)
        return y

    def times(self, x: Tensor, factor: Tensor) -> Tensor:
        """(x W^T + b) · factor, in one pass."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, factor, self.packed, self.bias, "mul")
        return y


class GatedMLP(nn.Module):
    """down(act(gate(x)) · up(x)), as Llama, Gemma, Qwen, Mistral and Granite have it."""

    def __init__(self, mlp: Any, activation: tuple[str, str]) -> None:
        super().__init__()
        self.gate, self.up = PackedLinear(mlp.gate_proj, activation), PackedLinear(mlp.up_proj)
        self.down = PackedLinear(mlp.down_proj)

    def forward(self, x: Tensor) -> Tensor:
        """[…, hidden] to […, hidden]."""
        y: Tensor = self.down(self.up.times(x, self.gate(x)))
        return y


class RMSNorm(nn.Module):
    """x / rms(x) · weight over the last dimension."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(weight, requires_grad=False), eps

    def forward(self, x: Tensor) -> Tensor:
        """[…, D] to […, D]."""
        return torch.rms_norm(x, self.weight.shape, self.weight, self.eps)


def pack(model: Any) -> None:
    """
    Replace what the decoder's layers are made of, in place; a model that is not float32 on CPU is left as it is.

    A part is replaced only where its replacement gives the same on a trial input: what a family computes in a way of
    its own stays transformers'.
    """
    sample = next(model.parameters())
    built_with_it = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if sample.device.type != "cpu" or sample.dtype != torch.float32 or not built_with_it:
        return
    text = model.config.get_text_config()
    named = getattr(text, "hidden_activation", None) or getattr(text, "hidden_act", None)
    decoder = model.get_decoder()
    with torch.no_grad():  # Llama 4's is a model with a head around the decoder
        _pack_children(getattr(decoder, "model", decoder).layers, _ACTIVATIONS.get(str(named)))


def _pack_children(parent: nn.Module, activation: tuple[str, str] | None) -> None:
    for name, part in list(parent.named_children()):
        made = _packed(part, activation)
        if made is not None:
            setattr(parent, name, made)
        else:
            _pack_children(part, activation)


def _packed(part: nn.Module, activation: tuple[str, str] | None) -> nn.Module | None:
    """What does the work of `part`; None where nothing here does."""
    found: list[nn.Module] = []
    width = 0
    if type(part) is nn.Linear:
        found, width = [PackedLinear(part)], part.in_features
    elif activation and {name for name, _ in part.named_children()} == {"gate_proj", "up_proj", "down_proj", "act_fn"}:
        gate = part.gate_proj
        if type(gate) is nn.Linear:
            found, width = [GatedMLP(part, activation)], gate.in_features
    elif type(part).__name__.endswith("RMSNorm") and isinstance(getattr(part, "weight", None), Tensor):
        weight: Any = part.weight
        eps: Any = getattr(part, "eps", None) or getattr(part, "variance_epsilon", 0.0)
        found, width = (
            [RMSNorm(weight.detach() + more, float(eps)) for more in (0.0, 1.0)],
            len(weight),
        )  # Gemma's: 1 + w
    if not found:
        return None
    trial = torch.linspace(-2, 2, 3 * width).reshape(3, width)
    expected = part(trial)
    return next((one for one in found if torch.allclose(one(trial), expected, rtol=1e-4, atol=1e-4)), None)
