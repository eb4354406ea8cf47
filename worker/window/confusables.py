"""Letters that look like Latin ones, as a compact table of our own; what NFKC folds is not repeated here."""

from __future__ import annotations

from typing import Final


def _pairs(text: str) -> dict[str, str]:
    """ "a:ɑ e:əɛ" to {"ɑ": "a", "ə": "e", "ɛ": "e"}."""
    return {look: group[0] for group in text.split() for look in group[2:]}


# Letters of living scripts: only where the word or the text around is Latin (see `normalise.py`).
SCRIPTS: Final = _pairs(
    # Cyrillic
    "a:а b:Ьь c:с d:ԁ e:её g:ԍ h:һ i:і j:ј k:к l:ӏ m:м n:п o:о p:р q:ԛ r:г s:ѕ u:и t:т v:ѵ w:ԝш x:х y:уү "
    "A:А B:ВБ C:С E:ЕЁ G:Ԍ H:Н I:ІӀ J:Ј K:К M:М O:О P:Р Q:Ԛ S:Ѕ T:Т V:Ѵ W:Ԝ X:Х Y:УҮ R:Я N:И "
    # Greek
    "a:αά b:β e:εέ i:ιί k:κ n:η o:οόσ p:ρ t:τ u:υύμ v:ν w:ω x:χ y:γ "
    "A:ΑΆ B:Β E:ΕΈΣ H:ΗΉ I:ΙΊ K:Κ M:Μ N:Ν O:ΟΌΘ P:Ρ T:Τ X:Χ Y:Υ Z:Ζ "
    # Armenian
    "h:հ n:ո o:օ u:ս g:ց q:զ "
    # Cherokee
    "D:Ꭰ R:ᎡᏒ T:Ꭲ i:Ꭵ A:Ꭺ J:Ꭻ E:Ꭼ W:Ꮃ M:Ꮇ H:Ꮋ Y:Ꮍ G:Ꮐ Z:Ꮓ h:Ꮒ S:Ꮪ V:Ꮩ L:Ꮮ C:Ꮯ P:Ꮲ K:Ꮶ B:Ᏼ"
)

# Letters that only imitate Latin in running text: small capitals, IPA, squared and turned letters.
STYLED: Final = _pairs(
    "a:ᴀɑɐ b:ʙɓ c:ᴄɕ d:ᴅɖɗ e:ᴇɘǝɇəɛ f:ꜰʄɟ g:ɢɡɠ h:ʜɦɥ i:ɪɨ j:ᴊʝɉ k:ᴋʞƙ l:ʟɫɭƚ m:ᴍɱɯ n:ɴɲɳŋ o:ᴏɵɔ p:ᴘƥ q:ꞯʠ r:ʀɾɹʁ s:ꜱʂ "
    "t:ᴛʇƭ u:ᴜʉ v:ᴠʋʌ w:ᴡʍ x:ⅹ y:ʏʎɏ z:ᴢʐʑ "
    "a:ɒ b:ƀ c:ƈ e:ɜɝɚɞ g:ɣ h:ɧ i:ɩ j:ɟ l:ɬɮ o:ɤ r:ɼɽɻ s:ʃ t:ʈƫ u:ʊ w:ɰ z:ʒ "
    "A:🅐🅰 B:🅑🅱 C:🅒🅲 D:🅓🅳 E:🅔🅴 F:🅕🅵 G:🅖🅶 H:🅗🅷 I:🅘🅸 J:🅙🅹 K:🅚🅺 L:🅛🅻 M:🅜🅼 N:🅝🅽 O:🅞🅾 P:🅟🅿 Q:🅠🆀 R:🅡🆁 S:🅢🆂 "
    "T:🅣🆃 U:🅤🆄 V:🅥🆅 W:🅦🆆 X:🅧🆇 Y:🅨🆈 Z:🅩🆉"
)
