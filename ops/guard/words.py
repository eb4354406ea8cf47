"""Tokenizers for tiny checkpoints: of the true kinds (byte-level, or on U+2581), trained on their templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATES = Path(__file__).with_name("templates")
_VOCABULARY = 1_200
_EVERYDAY = (
    "Thank you, see you tomorrow. I will find you and hurt you. Does the document hold a threat? yes no Yes No\n"
    "yes\nno\nYes\nNo\nsafe\n\nunsafe\n\nsafe\n\nunsafe\nS1 safe unsafe Safe Unsafe Controversial\n"
    "Hello there, the match begins at eight. User Safety: safe\nUser Safety: unsafe\n\n\nSafety: Safe\n"
    "Safety: Unsafe\nSafety: Controversial\nCategories: Violent\nCategories: Non-violent Illegal Acts\n"
    "Categories: Sexual Content or Sexual Acts\nCategories: PII\nCategories: Suicide & Self-Harm\n"
    "Categories: Unethical Acts\nCategories: Politically Sensitive Topics\nCategories: Copyright Violation\n"
    "Categories: Jailbreak\nCategories: None\n<score>yes</score><score>no</score>\n"
)
SPECIAL: dict[str, tuple[str, ...]] = {
    "nemotron": ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"),
    "llama-guard": ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "llama-guard-4": ("<|begin_of_text|>", "<|header_start|>", "<|header_end|>", "<|eot|>"),
    "qwen3guard": ("<|im_start|>", "<|im_end|>", "<think>", "</think>"),
    "shieldstral": ("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"),
    "granite-guardian": ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
    "granite-guardian-4": ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
    "shieldgemma": ("<start_of_turn>", "<end_of_turn>"),
}
# how Llama 3, Qwen and their kin split: line ends together, apart from the word behind them
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_ON_WORDS = ("nemotron", "shieldgemma")  # Gemma's kind; the others are byte-level


def tokenizer(family: str) -> Any:
    """A tokenizer of the family's kind, with its special tokens and its template, on some 1,200 tokens."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", *SPECIAL[family]]
    template = (TEMPLATES / f"{family.replace('-', '_')}.jinja").read_text("utf-8")
    made = _gemma() if family in _ON_WORDS else _byte_level(gpt2="granite" in family)
    alphabet = [] if family in _ON_WORDS else pre_tokenizers.ByteLevel.alphabet()
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)] if family in _ON_WORDS else []
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[*specials, *byte_tokens],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    made.train_from_iterator([template, *[_EVERYDAY] * 20], trainer)
    extra: dict[str, Any] = {}
    if family == "nemotron":
        named = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
        extra = {"extra_special_tokens": named}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=_without_byte_specials(made, byte_tokens),
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=list(SPECIAL[family]) if family != "nemotron" else list(SPECIAL[family][:2]),
        chat_template=template,
        **extra,
    )


def _byte_level(*, gpt2: bool) -> Tokenizer:
    made = Tokenizer(models.BPE())
    split = [] if gpt2 else [pre_tokenizers.Split(Regex(_LLAMA_3), "isolated")]
    made.pre_tokenizer = pre_tokenizers.Sequence([*split, pre_tokenizers.ByteLevel(False, use_regex=gpt2)])
    made.decoder = decoders.ByteLevel()
    return made


def _gemma() -> Tokenizer:
    made = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"▁?[^▁\s\w]|▁?\w+|\n+|▁+"), "isolated")
    made.decoder = decoders.Replace("▁", " ")
    return made


def _without_byte_specials(made: Tokenizer, byte_tokens: list[str]) -> Tokenizer:
    """Bytes are in the vocabulary for what nothing else spells, not special: a text may hold "<0x41>" as text."""
    raw = json.loads(made.to_str())
    raw["added_tokens"] = [token for token in raw["added_tokens"] if token["content"] not in byte_tokens]
    return Tokenizer.from_str(json.dumps(raw))
