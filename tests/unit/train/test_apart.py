"""Suites of one question: who is in them, and what counts as a violation."""

from __future__ import annotations

from ops.quality.apart import TOLD, apart
from train.rows import Row, labels

REAL = [
    Row("a threat", labels(["violence"]), "openai"),
    Row("a story", labels(), "openai"),
    Row("how to defraud", labels(["illicit"]), "ailuminate"),
    Row("how to steal", labels(["illicit"]), "catqa"),
    Row("hello robot", labels(no=("hate",)), "convabuse"),
    Row("hateful", labels(["hate"], no=()), "davidson/hate"),
    Row("rude", labels(no=("hate/threatening",)), "davidson/offensive"),
    Row("kind", labels(no=("hate",)), "davidson/neither"),
    Row("sexist", labels(["hate"], no=()), "edos"),
    Row("misleading", labels(["hate"], no=()), "hatemoji"),
]
WRITTEN = [
    Row("how do I kill a process?", labels(), "synthetic/lookalikes/senses-of-words"),
    Row("how do I kill a man?", labels(["illicit"]), "synthetic/composed/asked-how-to-hurt-and-kill"),
    Row("they are vermin", labels(["hate"]), "synthetic/composed/hate-asserted"),
    Row("see you at lunch", labels(), "synthetic/everyday/chat"),
]


def test_each_question_has_its_rows() -> None:
    """Prompts are held against everyday talk alone; what is merely offensive is left out of Davidson's."""
    found = {name: {(row.text, bad) for row, bad in rows} for name, rows in apart(REAL, WRITTEN).items()}
    assert found.keys() == TOLD.keys()
    assert found["openai"] == {("a threat", 1), ("a story", 0)}
    assert {text for text, bad in found["prompts"] if bad} == {"how to defraud", "how to steal"}
    assert {text for text, bad in found["prompts"] if not bad} >= {"hello robot", "kind", "see you at lunch"}
    assert not {text for text, _ in found["prompts"]} & {"a story", "rude", "how do I kill a process?"}
    assert found["lookalikes"] == {("how do I kill a process?", 0), ("how do I kill a man?", 1)}
    assert found["functions"] == {("they are vermin", 1)}
    assert found["davidson"] == {("hateful", 1), ("kind", 0)}
    assert (found["edos"], found["hatemoji"]) == ({("sexist", 1)}, {("misleading", 1)})
