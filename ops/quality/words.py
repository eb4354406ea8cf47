"""
Writes worker/window/words.txt: the words that people use in messages, most frequent first.

    python -m ops.quality.words

Counted over what may be trained on (see `train.data`); kept are words of several sources, so that no name of one
person's is among them, and of short ones only the most frequent, since pieces of split words look like rare short
ones. After them stand the longer words of the text model's vocabulary.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer

from train.data import wordings
from train.sources import held_apart, real_rows
from train.synthetic import read_grammar
from worker.score.weights import MINILM_TOKENIZER

OUT = Path(__file__).resolve().parents[2] / "worker" / "window" / "words.txt"
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_FEWEST = {1: 1000, 2: 150, 3: 15}  # rows that a word of this length is in; longer ones: 4
_LONG = 5  # letters; shorter tokens are often no words
_LONE = ("a", "i", "u")
_NO_WORDS = ("rt", "user")  # marks of the sources


def main() -> None:
    """Count and write."""
    rows: Counter[str] = Counter()
    sources: dict[str, set[str]] = {}
    real = (row for row in real_rows() if not held_apart(row))
    written = wordings(read_grammar(), held=False).rows(1, 3)
    for row in [*real, *written]:
        for word in set(_WORD.findall(row.text.lower().replace("’", "'"))):
            rows[word] += 1
            sources.setdefault(word, set()).add(row.source.partition("/")[0])
    kept = [word for word, count in rows.items() if count >= _FEWEST.get(len(word), 4) and len(sources[word]) > 1]
    kept = [word for word in kept if word not in _NO_WORDS and (len(word) > 1 or word in _LONE)]
    kept.sort(key=lambda word: (-rows[word], word))
    kept += [word for word in sorted(_vocabulary()) if word not in set(kept)]
    OUT.write_text("\n".join(kept) + "\n", "utf-8")
    print(f"{len(kept)} words, {OUT.stat().st_size} bytes")


def _vocabulary() -> list[str]:
    """The longer whole words that the text model has a token for, after all those that were counted."""
    tokens = Tokenizer.from_file(str(MINILM_TOKENIZER.path())).get_vocab()
    return [token for token in tokens if len(token) >= _LONG and _WORD.fullmatch(token)]


if __name__ == "__main__":
    main()
