"""Writes tiny checkpoints: the true architecture of each family, small, with random weights from a fixed seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers as _transformers

from ops.guard.words import tokenizer

transformers: Any = _transformers  # its configurations take more than their signatures say

_SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4_096,
}
_VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}


def write(family: str, folder: Path, *, seed: int = 7, shape: Mapping[str, Any] | None = None) -> Path:
    """
    A checkpoint of `family` in `folder`, which is made.

    Args:
        shape: fields of the text model's configuration, in place of the tiny ones.
    """
    words = tokenizer(family)
    model = random_model(family, words, seed=seed, shape=shape)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    if family == "nemotron":
        _processor(words).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def random_model(family: str, words: Any, *, seed: int = 7, shape: Mapping[str, Any] | None = None) -> Any:
    """The model alone, in float32."""
    torch.manual_seed(seed)
    text = {
        **_SMALL,
        "vocab_size": len(words),
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 1,
        **(shape or {}),
    }
    model = _KINDS[family](text, words).eval()
    with torch.no_grad():  # the usual 0.02 gives every text the same answer: far apart, differences show
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "vision" not in name:
                weight.mul_(4.0)
    return model


def _processor(words: Any) -> Any:
    pictures = transformers.Gemma3ImageProcessor(size={"height": 56, "width": 56})
    return transformers.Gemma3Processor(pictures, words, chat_template=words.chat_template, image_seq_length=4)


def _gemma3(text: dict[str, Any], words: Any) -> Any:
    """Five sliding layers to a full one; a window shorter than any policy, so that the tests meet its edge."""
    layers = ["full_attention" if n % 6 == 5 else "sliding_attention" for n in range(text["num_hidden_layers"])]
    layers[-1] = "full_attention"
    text = {"sliding_window": 48, "query_pre_attn_scalar": 16, "layer_types": layers, **text}
    config = transformers.Gemma3Config(
        text_config=transformers.Gemma3TextConfig(**text),
        vision_config=transformers.SiglipVisionConfig(**_VISION, image_size=56, patch_size=14),
        mm_tokens_per_image=4,
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
    )
    return transformers.Gemma3ForConditionalGeneration(config)


def _llama(text: dict[str, Any], words: Any) -> Any:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**text))


def _llama4(text: dict[str, Any], words: Any) -> Any:
    own = {
        "num_local_experts": 1,
        "num_experts_per_tok": 1,
        "intermediate_size_mlp": text["intermediate_size"],
        "attention_chunk_size": 4_096,
    }
    vision = {**_VISION, "image_size": 56, "patch_size": 14, "vision_output_dim": 64, "projector_output_dim": 64}
    config = transformers.Llama4Config(
        text_config=transformers.Llama4TextConfig(**{**text, **own, "moe_layers": []}),
        vision_config=transformers.Llama4VisionConfig(
            **{**vision, "projector_input_dim": 64, "intermediate_size": 128}
        ),
    )
    return transformers.Llama4ForConditionalGeneration(config)


def _qwen3(text: dict[str, Any], words: Any) -> Any:
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**text))


def _mistral3(text: dict[str, Any], words: Any) -> Any:
    config = transformers.Mistral3Config(
        text_config=transformers.MistralConfig(**text, sliding_window=None),
        vision_config=transformers.PixtralVisionConfig(**_VISION, image_size=56, patch_size=14, head_dim=16),
    )
    return transformers.Mistral3ForConditionalGeneration(config)


def _granite(text: dict[str, Any], words: Any) -> Any:
    own = {"logits_scaling": 8.0, "embedding_multiplier": 12.0, "residual_multiplier": 0.22}
    given = {name: value for name, value in text.items() if name != "head_dim"}
    return transformers.GraniteForCausalLM(transformers.GraniteConfig(**given, **own, attention_multiplier=0.015625))


def _gemma2(text: dict[str, Any], words: Any) -> Any:
    own = {"sliding_window": 48, "query_pre_attn_scalar": 16, "attn_implementation": "eager"}
    return transformers.Gemma2ForCausalLM(transformers.Gemma2Config(**{**own, **text}))


_KINDS = {
    "nemotron": _gemma3,
    "llama-guard": _llama,
    "llama-guard-4": _llama4,
    "qwen3guard": _qwen3,
    "shieldstral": _mistral3,
    "granite-guardian": _granite,
    "granite-guardian-4": _granite,
    "shieldgemma": _gemma2,
}
