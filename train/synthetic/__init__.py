"""Synthetic contrast data: harmful wordings and their harmless twins, by function, from a grammar written here."""

from train.synthetic.grammar import Grammar, read_grammar

__all__ = ["Grammar", "read_grammar"]
