"""Letters that look like Latin ones, as a compact table of our own; what NFKC folds is not repeated here."""

from __future__ import annotations

import functools
import unicodedata
from typing import Final


def _looks(*texts: str) -> dict[str, tuple[str, ...]]:
    """ "a:ɑ e:əɛ u:ə" to {"ɑ": ("a",), "ə": ("e", "u"), "ɛ": ("e",)}: the likeliest reading first."""
    found: dict[str, tuple[str, ...]] = {}
    for group in " ".join(texts).split():
        letters, _, looks = group.partition(":")
        for look in looks:
            found[look] = tuple(dict.fromkeys((*found.get(look, ()), letters)))
    return found


def _pairs(text: str) -> dict[str, str]:
    """ "a:ɑ e:əɛ" to {"ɑ": "a", "ə": "e", "ɛ": "e"}."""
    return {look: letters[0] for look, letters in _looks(text).items()}


# Letters of living scripts: only where the word or the text around is Latin in disguise (see `looks.py`).
SCRIPTS: Final = _looks(
    # Cyrillic
    "a:аӑӓдѧ b:Ььвбъѣҍ bl:ы c:сҫ d:ԁд e:еёєэҽԑҿ f:ғ g:ԍ h:һнђћҥӊӈ i:ії io:ю j:ј k:кқҡҝӄќ l:ӏл m:мӎ n:пийѝӣӥҋлҧ "
    "o:оӧөфӫ p:р q:ԛҩ r:гґяѓҕ s:ѕ t:тҭ u:иџц v:ѵѷ w:ԝшщѡѿ x:хҳжӿӽҗ y:уүұўӯӱӳчҷҹӌ z:зӡҙ",
    "A:АДӐӒѦ B:ВБЪѢҌ BL:Ы C:СҪ D:Ԁ E:ЕЁЄЭҼԐҾЗ F:Ғ G:Ԍ H:НҤӉӇЂЋ I:ІЇ IO:Ю J:Ј K:КҚҠҜӃЌ M:МӍ N:ИЙЍӢӤҊП O:ОӦӨФӪ P:Р "
    "Q:ԚҨ R:ЯГҐЃ S:Ѕ T:ТҬ U:ЦЏ V:Ѵ W:ԜШЩѠ X:ХҲЖӾӼҖ Y:УҮҰЎӮӰЧҶҸӋ Z:ЗӠҘ",
    # Greek and Coptic
    "a:αάλ b:βϐ c:ςϲϛ d:δ e:εέξ f:ϝ h:ђ i:ιίϊΐ j:ϳ k:κϰ n:ηήπ o:οόσθδφϕ p:ρϱϼ q:ϙφ s:ςσϩ t:τϯ u:υύμϋΰ v:νυ w:ωώψῳ "
    "x:χ y:γψ r:γ z:ζ A:ΑΆΛΔ B:Β C:Ϲ E:ΕΈΣΞ F:ϜΓ H:ΗΉ I:ΙΊΪ J:Ϳ K:Κ M:Μ N:ΝΠ O:ΟΌΘΩϴΦ P:Ρ R:Γ S:Σ T:ΤϮ W:ΨΩ X:Χ "
    "Y:ΥΎΫΨ Z:Ζ",
    "a:ⲁ b:ⲃ c:ⲥ e:ⲉ h:ⲏ i:ⲓ k:ⲕ m:ⲙ n:ⲛ o:ⲟ p:ⲣ r:ⲅ t:ⲧ y:ⲩ x:ⲭ w:ⲱ A:Ⲁ B:Ⲃ C:Ⲥ E:Ⲉ H:Ⲏ I:Ⲓ K:Ⲕ M:Ⲙ N:Ⲛ O:Ⲟ P:Ⲣ "
    "R:Ⲅ T:Ⲧ Y:Ⲩ X:Ⲭ W:Ⲱ",
    # Armenian and Georgian
    "a:ձ b:ხცნ d:ժძ e:ҽ f:քֆ g:ցգ h:հի i:ի j:յ k:ք l:լ m:ოՊ n:ոռղմ o:օჿთ p:քթ q:զգႳჟ r:ր p:ր r:ռ t:եէ u:սմ v:վ w:ա x:ჯ "
    "y:վყՎ z:չ e:եე s:ჰ B:Բ h:Ի L:Լ O:Օ P:ՔԹ S:ՏႽ T:Ե U:ՍՄ n:Ո z:Հ w:Ս",
    # Cherokee; small Cherokee letters look the same
    "W:Ꮗ Z:Ꮓ T:Ꭲ h:Ꮒ A:ᎪᎯᗅ B:ᏴᏼᏰᏸᏏ C:ᏟᏨ D:Ꭰ E:ᎬᏋ F:ᎦᎴ G:ᏀᏳᏻᎶᏩ H:ᎻᏂᏲ I:ᎥᏆ J:ᎫᏠᎢ K:ᏦᏥ L:ᏞᏝ M:ᎷᏗ N:ᏁᏃ O:ᎤᎾᎧ P:ᏢᎮ Q:ᎤᏇ "
    "R:ᎡᏒᎱᏛ S:ᏚᏕᎦ T:ᎢᏖᎿ U:ᏬᏌ V:ᏙᏉ W:ᎳᏔᏊᏯ X:Ꮱ Y:ᎩᎽᎹ Z:Ꮓ D:ᎴᏧ A:ᏗᎺ S:ᎥᏪ K:Ꮶ Y:ᎥᎱ L:ᏓᏐ",
    "A:ꭺꭿ B:ꮟ C:ꮯ D:ꭰ E:ꭼ I:ꮖ G:ꮐ H:ꮋꮒ I:ꭵ J:ꭻ K:ꮶ L:ꮮ M:ꮇ O:ꮎ P:ꮲ R:ꭱꮢ S:ꮪꮥ T:ꭲꮦ V:ꮩ W:ꮃꮤ Y:ꮍꭹ Z:ꮓ",
    # Hebrew and Arabic
    "n:חתה p:ק v:ש w:ש i:וי l:ןו j:נן o:סםס q:ף t:ד z:ז u:טע y:ץע x:א v:ע r:ך a:ө g:ﻮﮒ c:כ i:اﺎ l:اﻝل o:٥ه v:٧۷ "
    "q:قو j:ۈ",
    # Thai, Lao and scripts of India and beyond
    "a:คลส b:๒๖ c:ς d:๔໓ f:ƒ g:งง h:ђ i:เ j:วเ m:๓ n:ภทกห n:ຖ o:๏๐໐ p:ק q:๑ r:ร s:รຣ u:ยนบข v:ง w:ฬพຟผฝฟ y:ฯ z:ຊ "
    "g:ງ l:ใ t:ฅ m:ฒ v:ษ x:ฆ",
    "c:८૮ o:०০੦૦௦౦೦ഠ၀ဝ w:ധയ s:ടઽ m:ന r:૨ཞ e:૯६ v:ഗ l:ഥ",
    # Ethiopic
    "A:ልአ B:ጌ C:ርር D:ዕ E:ቿ F:ቻ G:ኗ H:ዘከ I:ጎ J:ጋ K:ጕክ L:ረ M:ጠጦ N:ክኮ O:ዐ P:የ Q:ዒ R:ዪ S:ነ T:ፕተ U:ሁ V:ሀ W:ሠ X:ሸጀ Y:ሃሂ Z:ጊፚ",
    # Canadian syllabics; many of them point another way when turned
    "A:ᗩᐃᗅ B:ᗷᗸᙠ b:ᑲᖯ C:ᑕᑢᑔ D:ᗪᗞᕲᐅ d:ᑯ E:ᗴᕮᗕ F:ᖴ G:ᘜᏀ H:ᕼᕻ I:ᓰᐃ J:ᒍᒎᒧ K:ᛕᐸ L:ᒪᒺ M:ᗰᘻ N:ᑎᑏᘉ O:ᗝᓍ P:ᑭᑮᕈ p:ᕵ Q:ᕴ q:ᑫ "
    "R:ᖇᖈᖆ S:ᔕᔑᔆ T:ᖶᐪ U:ᑌᑘᘮ V:ᐯᐺᕓ W:ᗯᘺᙡ X:᙭ᕁ Y:ᖻᎩ Z:ᘔᗱ I:ᖇ",
    # Strokes and kana
    "a:卂丹ﾑムみ b:乃阝 c:匚亡 d:刀ⅾ e:乇ヨ彐モ巳 f:千下ｷキチﾁ g:厶呂ム h:卄廾んﾊハ i:丨工ﾉノエｴ j:ﾌフ丿丁 "
    "k:长長ズ片ｹケ l:乚ㄥレﾚし乙 m:从爪ﾶカ巾冊册 n:几刀冂ﾘ力 o:口ㄖロﾛ回囗〇ㅇㅁ p:尸卩ｱアㄗ q:㔿ゐ甲 r:尺 "
    "s:丂ち弓己 t:丅ㄒｲイィ七丁ナﾅ十千 u:凵ㄩひ山 v:∨レ w:山屮ｗ x:乂ﾒメ y:丫ㄚﾘリソ z:乙乞 u:し c:ᄃㄷ l:ᄂㄴ "
    "e:ㅌ s:ㄅ z:ㄹ r:ㄱ",
    # Lisu, Yi
    "A:ꓮ B:ꓐ C:ꓚ D:ꓓ E:ꓰ F:ꓝ G:ꓖ H:ꓧ I:ꓲ J:ꓙ K:ꓗ L:ꓡ M:ꓟ N:ꓠ O:ꓳ P:ꓑ R:ꓣ S:ꓢ T:ꓔ U:ꓴ V:ꓦ W:ꓪ X:ꓫ Y:ꓬ Z:ꓜ",
    "a:ꋬꍏꁲ b:ꃳꌃ c:ꉔꉓꏳ d:꒯ꀸꀷ e:ꏂꍟꑀ f:ꊰꎇꊯ g:ꍌꁅ h:ꁝꃅ i:꒐ꀤ j:꒻ꀭ k:ꀘꈵ l:꒒ m:ꂵ n:ꋊꈤꃔ "
    "o:ꄲꂦꊿ p:ꉣ q:ꆰꋠ r:ꋪꌅ s:ꇙꌗꈜ t:꓄ꋖ u:꒤ꀎꌈ v:꒦ w:ꅐꅏ x:ꉧꊼꉤ y:ꌦꌩꐔ z:ꁴꑒ",
    # Tifinagh, runes, Gothic and Old Italic
    "O:ⵔⵙⵀ I:ⵊⵏ C:ⵛⵎ X:ⵝⵅ E:ⴹⵟ U:ⵡⵓ V:ⴸ Z:ⵣ T:ⵜ Y:ⵖⵢ L:ⵍ H:ⵂ S:ⵚ K:ⴽ A:ⴷ",
    "A:ᚨᚪ B:ᛒ C:ᚲ D:ᛞᚦ E:ᛖ F:ᚠᚨ G:ᚷ H:ᚺᚻ I:ᛁ J:ᛃᛇ K:ᚲᛕᚴ L:ᛚ M:ᛗᛖᛞ N:ᚾᚢ O:ᛟᚩ P:ᛈᚹᚦ Q:ᛩ R:ᚱ S:ᛋᛊ T:ᛏ U:ᚢ V:ᚡ W:ᚹ "
    "X:ᛪᚷ Y:ᛉᚤᛦ Z:ᛉᛎ TH:ᚦ",
    "A:𐌰𐌀 B:𐌱𐌁 C:𐌂 E:𐌴𐌄 F:𐍆𐌅 H:𐌷𐌇 I:𐌹𐌉 J:𐌾 K:𐌺𐌊 L:𐌻𐌋 M:𐌼𐌌 N:𐌽𐌍 O:𐍉𐌏 P:𐌐 R:𐍂𐌓 S:𐍃𐌔 T:𐍄𐌕 U:𐌿 V:𐌖 X:𐍇𐌗 Y:𐍅 Z:𐌶 N:𐌿",
    # Latin letters of few languages, and signs of money that nobody else uses
    "l:ǀ i:ǀ s:ƨ z:ʐȥⱬᴢ k:ĸⱪꝁ w:ⱳƿ p:ƿᵽꝑ f:ꞙꟻ h:ⱨƕ b:ƅƃ q:ɋꝗ y:ƴ r:ᴦꞃ t:ȶꞇ d:ȡꝺ g:ᵹꞡ m:ꟽ n:ꞑ o:ȣ x:ꭓ v:ⱱⱴ c:ↄȼꞓ "
    "e:ⱸ i:ꞁ l:ꞁ j:ɉ",
    "A:₳Ɐƛ U:Ʋ B:฿₿ɃƁƂ C:₵₡ȻƇ D:ƊƉƋ₫ E:ɆƐƎƏ F:₣Ƒ G:₲ƓǤƔ H:ⱧǶ I:ƗƖ J:Ɉ K:₭ƘⱩꝀ L:Ⱡ₤ȽⱢ M:₥ƜⱮ N:₦ƝȠ O:ƟƆ P:₱Ƥ₽Ᵽ Q:Ɋ R:ⱤɌƦ "
    "S:₴Ƨ G:₴ T:₮ƬƮȾ U:ɄƱ V:ƲɅ W:₩Ⱳ Y:ƳɎ Z:ⱫƵȤƷ",
)

# Signs that stand for a letter only inside a word of such letters.
SIGNS: Final = _looks(
    "c:¢©⊂ e:€∈℮ s:§ d:∂ð n:∩ o:◯○∅⊙¤°ø b:ß x:×✕✖ u:∪⋃µ f:ʄ∫ p:℘¶þ th:þ a:∀∆△æ ae:æ l:£∟ e:£ t:†‡⊤┬ y:¥ v:√∨ "
    "m:♏ i:¡ E:∑ r:® o:º a:ª q:ợ f:Ŧ i:ł"
)

# Signs of money among the letters above.
MONEY: Final = "₳₵₡₫₣₲₭₤₥₦₱₽₴₮₩฿₿"

# Those that nobody writes inside a word without meaning a letter: mathematics, and letters of some languages, are none.
TELLING: Final = "¢©€§£†‡¥µ¡®ºª¤¶°◯○℮" + MONEY

# Emoji that are a letter, or letters, inside a word.
EMOJI: Final = _looks(
    "a:🅰 b:🅱 c:☪🌜 d:🌛 e:📧 f:🎏 h:♓ i:ℹ❗❕ j:☔ l:👢 m:Ⓜ♏♍♒ n:♑ "
    "o:⭕🅾🔴🔵⚪⚫🟠🟡🟢🟣🟤🌕🌑🌝🌚🍩🌍🌎🌏🌐⚽🏀🎱🍪☮📀💿 "
    "p:🅿 r:® c:© "
    "s:💲🈂⚡🐍 t:✝☦✞✟ u:⛎🧲 v:♈✅✔☑ w:〰 x:❌❎✖⚔ y:♈💴 z:💤 "
    "ab:🆎 cl:🆑 id:🆔 ng:🆖 ok:🆗 up:🆙 vs:🆚 on:🔛 end:🔚 new:🆕 free:🆓 cool:🆒 sos:🆘"
)

# Those that no eye can tell from the Latin letter.
TWINS: Final = frozenset("асеорхуіјѕԁһӏѵԝԛкАВСЕНІЈКМОРЅТХҮӀΑΒΕΖΗΙΚΜΝΟΡΤΥΧονօհցսոᎪᎬᎫᏞᎷᏢᏚᎢᏙᎳᏃꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓣꓢꓔꓴꓦꓪꓫꓬꓜ")

# Latin letters with a stroke or a tail, which Unicode does not take apart.
STRUCK: Final = _pairs(
    "d:đð h:ħ l:łŀ o:øơ t:ŧþ u:ư i:ı k:ĸ n:ŋŉ s:ßſ ae:æ oe:œ b:ƀ g:ǥ z:ƶ r:ɍ e:ɇ "
    "D:ĐÐ H:Ħ L:ŁĿ O:ØƠ T:Ŧ U:Ư N:Ŋ AE:Æ OE:Œ B:Þ"
)

# Letters that only imitate Latin in running text: small capitals, IPA, squared and turned letters.
STYLED: Final = _pairs(
    "a:ᴀɑɐ b:ʙɓ c:ᴄɕ d:ᴅɖɗ e:ᴇɘǝɇəɛ f:ꜰʄɟ g:ɢɡɠ h:ʜɦɥ i:ɪɨ j:ᴊʝɉ k:ᴋʞƙ l:ʟɫɭƚ m:ᴍɱɯ n:ɴɲɳŋ o:ᴏɵɔ p:ᴘƥ q:ꞯʠ r:ʀɾɹʁ s:ꜱʂ "
    "t:ᴛʇƭ u:ᴜʉ v:ᴠʋʌ w:ᴡʍ x:ⅹ y:ʏʎɏ z:ᴢʐʑ "
    "a:ɒ b:ƀ c:ƈ e:ɜɝɚɞ g:ɣ h:ɧ i:ɩ j:ɟ l:ɬɮ o:ɤ r:ɼɽɻ s:ʃ t:ʈƫ u:ʊ w:ɰ z:ʒ "
    "f:ƒ w:ⱳ h:ⱨ k:ⱪ p:ᵽ l:ⱡ q:ʠ "
    "A:🅐🅰 B:🅑🅱 C:🅒🅲 D:🅓🅳 E:🅔🅴 F:🅕🅵 G:🅖🅶 H:🅗🅷 I:🅘🅸 J:🅙🅹 K:🅚🅺 L:🅛🅻 M:🅜🅼 N:🅝🅽 O:🅞🅾 P:🅟🅿 Q:🅠🆀 R:🅡🆁 S:🅢🆂 "
    "T:🅣🆃 U:🅤🆄 V:🅥🆅 W:🅦🆆 X:🅧🆇 Y:🅨🆈 Z:🅩🆉"
)

_LEET: Final = {"0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i", "|": "li"}


def bare_letters(text: str) -> str:
    """Latin letters without their marks and strokes."""
    letters = unicodedata.normalize("NFD", text)
    return "".join(STRUCK.get(c, c) for c in letters if not unicodedata.combining(c))


@functools.lru_cache(8192)
def options(c: str) -> tuple[str, ...]:
    """The readings of a character, the likeliest first; none for a letter that looks like no Latin one."""
    if c.isascii() or c == "’":
        return (c,)
    bare = bare_letters(c)
    own = (bare,) if bare != c and bare.isascii() else ()
    return tuple(dict.fromkeys(SCRIPTS.get(c, ()) + SIGNS.get(c, ()) + own))


@functools.lru_cache(8192)
def readings(c: str) -> tuple[str, ...]:
    """The readings of a character of a word with signs."""
    if c == "\ufe0f":
        return ("",)
    return EMOJI.get(c, ()) + tuple(_LEET.get(c, ())) or options(c) or (c,)
