"""The same line about other people: identities exchanged, so that whom a line names says nothing about its label."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

# Words that are as often about things: a black coffee, the poles, a foreign key.
_DOUBTFUL = frozenset({"black", "white", "blind", "deaf", "foreign", "girl", "male", "poles", "motherly", "mothers"})


class Identities:
    """
    Exchanges the names of groups.

    Args:
        forms: the grammar's fillers: plural, one with its article, adjective.
    """

    def __init__(self, forms: Sequence[tuple[str, ...]]) -> None:
        self._forms = forms
        known = {word: place for form in forms for place, word in enumerate(form) if word not in _DOUBTFUL}
        self._places = known
        words = "|".join(re.escape(word) for word in sorted(known, key=len, reverse=True))
        self._named = re.compile(rf"\b(?:{words})\b", re.IGNORECASE)

    def named(self, text: str) -> list[str]:
        """The names in a text, in lower case, each once."""
        return list(dict.fromkeys(found.lower() for found in self._named.findall(text)))

    def swapped(self, text: str, dice: random.Random) -> str | None:
        """The text with each group replaced by another, one for one; None when it names none."""
        chosen: dict[tuple[str, ...], tuple[str, ...]] = {}

        def other(found: re.Match[str]) -> str:
            word = found[0].lower()
            place = self._places[word]
            form = next(form for form in self._forms if form[place] == word)
            if form not in chosen:
                chosen[form] = dice.choice([f for f in self._forms if f is not form and f not in chosen.values()])
            said = chosen[form][place]
            return said.upper() if found[0].isupper() and len(word) > 1 else said

        changed, count = self._named.subn(other, text)
        return changed if count else None
