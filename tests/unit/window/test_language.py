"""Which language a text is in: said when it is clear, and never of names, emoji, code or a few words."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.window.language import ForeignTexts

ROOT = Path(__file__).parents[3]
ENGLISH = ForeignTexts(frozenset({"en"}))

# Written for this test.
SENTENCES = {
    "de": "Ich habe gestern meinen Schlüssel im Büro vergessen.",
    "fr": "Je ne sais pas où sont passées mes lunettes.",
    "es": "Mañana vamos a comer con los abuelos en el parque.",
    "it": "Domani andiamo al mare con tutta la famiglia.",
    "pt": "Amanhã vou visitar a minha avó na aldeia.",
    "nl": "Ik heb gisteren mijn fiets bij de winkel laten staan.",
    "pl": "Wczoraj zapomniałem kupić chleb i mleko.",
    "sv": "Jag glömde min väska på bussen i morse.",
    "tr": "Dün akşam arkadaşlarımla sinemaya gittim.",
    "vi": "Ngày mai tôi sẽ đi thăm bà ngoại ở quê.",
    "fi": "Unohdin eilen avaimeni työpaikan pöydälle.",
    "ru": "Завтра мы поедем к бабушке в деревню.",
    "uk": "Завтра ми поїдемо до бабусі в село.",
    "el": "Αύριο θα πάμε στη θάλασσα με τα παιδιά.",
    "he": "מחר ניסע לבקר את סבתא בכפר.",
    "hi": "कल हम सब मिलकर बाज़ार जाएंगे।",
    "ja": "明日は家族と海に行きます。",
    "ko": "내일 우리는 할머니 댁에 갈 거예요.",
    "th": "พรุ่งนี้เราจะไปตลาดกับแม่",
}


@pytest.mark.parametrize(("code", "sentence"), SENTENCES.items())
def test_a_sentence_in_another_language_is_named(code: str, sentence: str) -> None:
    """One everyday sentence is enough."""
    assert ENGLISH.language(sentence) == code


@pytest.mark.parametrize("sentence", ["سنذهب غدا إلى السوق مع أمي.", "明天我们去公园吃午饭吧。", "привет всем"])
def test_another_script_is_foreign_even_when_the_language_is_not_told_apart(sentence: str) -> None:
    """A model that reads Latin letters has no chance, whichever it is."""
    assert ENGLISH.language(sentence) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "Hola!",
        "Maria Fernandez Gonzalez, Karl Heinz Müller",
        "José Martínez, Łukasz Kowalski, Søren Kierkegaard, Nguyễn Văn An",
        "Иван Петров",
        "😀😀😀🔥🔥🔥 ❤️❤️ 👨‍👩‍👧",
        "def foo(bar): return baz[qux] + lorem(ipsum)",
        "SELECT * FROM tabelle WHERE spalte = wert",
        "lol rofl xd kek gg wp ez noob",
        "asdf qwer zxcv hjkl uiop",
        "Lorem ipsum dolor sit amet consectetur adipiscing elit",
        "c'est la vie my friend, that is how it goes",
        "schadenfreude and zeitgeist are german words",
        "ｋｉｌｌ ｙｏｕ ｎｏｗ ｐｌｅａｓｅ",
        "the area is π r², with α and β as angles",
        "https://exemple.fr/une/page/dans/une/autre/langue @quelquun #bonjour",
    ],
)
def test_what_is_no_prose_in_another_language_is_not_called_so(text: str) -> None:
    """A wrong `foreign` takes a text away from the models, so doubt is for English."""
    assert ENGLISH.language(text) is None


def test_english_messages_are_english() -> None:
    """No false alarm on the 518 messages that ship, nor on rude ones of the internet."""
    lines = (ROOT / "worker" / "score" / "background.txt").read_text("utf-8").splitlines()
    with (ROOT / "tests" / "data" / "text" / "edos_threats.csv").open(newline="", encoding="utf-8") as file:
        lines += [row["text"] for row in csv.DictReader(file)]
    assert len(lines) > 550
    assert [line for line in lines if ENGLISH.language(line)] == []


def test_a_model_that_reads_more_is_told_of_less() -> None:
    """German is foreign to an English model alone."""
    both = ForeignTexts(frozenset({"en", "de"}))
    assert both.language(SENTENCES["de"]) is None
    assert both.language(SENTENCES["fr"]) == "fr"


@given(st.text(max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    """Lone surrogates and unassigned characters among them; the same each time."""
    assert ENGLISH.language(text) == ENGLISH.language(text)
