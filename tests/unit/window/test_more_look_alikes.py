"""Letters read as they look, whatever script they are taken from; what is written in that script stays."""

from __future__ import annotations

import time
import unicodedata

import pytest

from worker.window import normalise
from worker.window.ornaments import (
    ACCENTED,
    BRACKETED,
    accented_words,
    bared,
    in_accents,
    may_be_bracketed,
    only_noise,
    unbracket,
)

REAL = {
    "Russian": (
        "Привет, как у тебя дела сегодня?",
        "Мы вчера ходили в театр с друзьями.",
        "Я не знаю, что тебе сказать.",
        "Мама мыла раму, а папа читал газету.",
        "Он хотел поехать на море, но не смог.",
    ),
    "Ukrainian": (
        "Як справи, друже?",
        "Сьогодні дуже гарна погода.",
        "Я люблю читати книги ввечері.",
        "Мати пече смачний хліб.",
        "Ми їдемо до Києва завтра вранці.",
    ),
    "Bulgarian": (
        "Днес времето е хубаво.",
        "Той не иска да говори с нас.",
        "Къде е моята книга?",
        "Утре ще отидем на море.",
        "Това е много добра идея.",
    ),
    "Serbian": (
        "Како си данас, пријатељу?",
        "Ово је моја кућа.",
        "Не знам шта да радим.",
        "Деца се играју у парку.",
        "Сутра идемо на пут.",
    ),
    "Greek": (
        "Καλημέρα, τι κάνεις σήμερα;",
        "Το σπίτι μου είναι κοντά στη θάλασσα.",
        "Δεν ξέρω τι να πω.",
        "Θέλω ένα ποτήρι νερό.",
        "Η κόρη μου πάει στο σχολείο.",
    ),
    "Armenian": (
        "Բարեւ, ինչպես ես այսօր",
        "Ես սիրում եմ կարդալ գրքեր",
        "Այսօր եղանակը շատ լավն է",
        "Մենք գնում ենք Երեւան վաղը",
        "Իմ տունը մեծ է եւ գեղեցիկ",
    ),
    "Georgian": (
        "გამარჯობა, როგორ ხარ დღეს?",
        "მე მიყვარს წიგნების კითხვა.",
        "დღეს კარგი ამინდია.",
        "ჩვენ ხვალ თბილისში მივდივართ.",
        "ეს ჩემი სახლია.",
    ),
    "Hebrew": (
        "שלום, מה שלומך היום?",
        "אני אוהב לקרוא ספרים בערב.",
        "מחר ניסע לים עם הילדים.",
        "איפה הספר שלי?",
        "זה רעיון טוב מאוד.",
    ),
    "Arabic": (
        "مرحبا كيف حالك اليوم؟",
        "أنا أحب قراءة الكتب.",
        "سوف نذهب إلى البحر غدا.",
        "أين كتابي؟",
        "هذه فكرة جيدة جدا.",
    ),
    "Thai": (
        "สวัสดีครับ วันนี้เป็นอย่างไรบ้าง",
        "ฉันชอบอ่านหนังสือตอนเย็น",
        "พรุ่งนี้เราจะไปทะเล",
        "หนังสือของฉันอยู่ที่ไหน",
        "นี่เป็นความคิดที่ดีมาก",
    ),
    "Lao": (
        "ສະບາຍດີ ມື້ນີ້ເປັນແນວໃດ",
        "ຂ້ອຍມັກອ່ານປຶ້ມ",
        "ມື້ອື່ນພວກເຮົາຈະໄປ",
        "ປຶ້ມຂອງຂ້ອຍຢູ່ໃສ",
        "ນີ້ແມ່ນຄວາມຄິດທີ່ດີ",
    ),
    "Amharic": (
        "ሰላም እንደምን አለህ",
        "ዛሬ አየሩ ጥሩ ነው",
        "መጽሐፍ ማንበብ እወዳለሁ",
        "ነገ ወደ ከተማ እንሄዳለን",
        "ይህ ጥሩ ሀሳብ ነው",
    ),
    "Chinese": (
        "你好，今天天气怎么样？",
        "我们明天下午去山上。",
        "他从口袋里拿出一把刀。",
        "这个工人长得很高。",
        "我不知道该说什么，VIP客户请用USB口。",
    ),
    "Japanese": (
        "こんにちは、元気ですか。",
        "明日は海に行きます。",
        "この本はとても面白いです。",
        "ケーキとコーヒーをください。",
        "口を開けてください、Tシャツです。",
    ),
    "Korean": (
        "안녕하세요, 오늘 어때요?",
        "저는 책 읽는 것을 좋아해요.",
        "내일 바다에 갈 거예요.",
        "제 책은 어디에 있어요?",
        "아주 좋은 생각이에요.",
    ),
    "Hindi": (
        "नमस्ते, आज आप कैसे हैं?",
        "मुझे किताबें पढ़ना पसंद है।",
        "कल हम बाज़ार जाएँगे।",
        "मेरी किताब कहाँ है?",
        "यह बहुत अच्छा विचार है।",
    ),
    "Cherokee": (
        "ᎣᏏᏲ ᏙᎯᏧ ᏂᎦᎵᏍᏗᎭ",
        "ᏩᏙ ᏂᎯᎾ",
        "ᏥᎪᏩᏘᎭ ᎠᏂᏴᏫ",
        "ᎠᏂᏣᎳᎩ ᎤᏂᏬᏂᎯᏍᏗ",
        "ᎭᏢ ᏤᎭ",
    ),
    "Inuktitut": (
        "ᐃᓄᒃᑎᑐᑦ ᐅᖃᓕᒫᕐᓂᖅ",
        "ᖃᓄᐃᑉᐱᑦ ᐅᓪᓗᒥ",
        "ᓄᓇᕗᑦ ᒐᕙᒪᖓ",
        "ᐊᑎᕋ ᐱᑕ",
        "ᖁᔭᓐᓇᒦᒃ ᐃᓕᓐᓄᑦ",
    ),
    "French": (
        "L'élève préféré a été très gêné à la fête.",
        "Où êtes-vous allés cet été, mes chères amies?",
        "Ça a déjà été fait là-bas.",
        "Le garçon a mangé une pêche sucrée.",
        "Noël approche, décorez le sapin à côté.",
    ),
    "Czech": (
        "Příliš žluťoučký kůň úpěl ďábelské ódy.",
        "Dnes je krásné počasí.",
        "Kde je moje kniha?",
        "Děti si hrají v parku.",
        "Já tě mám rád.",
    ),
    "Vietnamese": (
        "Tôi không biết bạn đang nói gì.",
        "Hôm nay trời rất đẹp.",
        "Cảm ơn bạn đã giúp tôi.",
        "Sách của tôi ở đâu?",
        "Đó là một ý kiến hay.",
    ),
    "Turkish": (
        "Bugün hava çok güzel.",
        "Kitabım nerede, biliyor musun?",
        "Çocuklar parkta oynuyor.",
        "Şimdi eve gidiyorum.",
        "Öğretmen çok iyi.",
    ),
    "Polish": (
        "Zażółć gęślą jaźń.",
        "Gdzie jest moja książka?",
        "Dziś jest piękna pogoda.",
        "Dzieci bawią się w parku.",
        "Nie wiem, co powiedzieć.",
    ),
    "German": (
        "Die Tür ist schön grün.",
        "Ich möchte früh aufstehen.",
        "Müller fährt über die Brücke.",
        "Die Mädchen hören Bücher.",
        "Es wäre schön für uns.",
    ),
    "Icelandic": (
        "Ég á bók.",
        "Það er gott veður í dag.",
        "Hvar er bókin mín?",
        "Við förum út á sjó á morgun.",
        "Þetta er góð hugmynd.",
    ),
}


def letters(text: str) -> str:
    """What is read of `text`, in small letters."""
    found = normalise(text)
    return (text if found is None else found.text).lower()


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("ᎻᎾᏔ ᎠᎾ Ꮖ ᏦᏆᏞᏞ ᎻᎬᎡ", "how do i kill her"),
        ("ᗩᒪᒪ Oᖴ TᕼEᗰ ᗰᑌᔕT ᗪIE", "all of them must die"),
        ("Wе аll кпоw тнат уоυ яеаd", "we all know that you read"),
        ("чоц агє ѕтцріԁ аиԁ цglч", "you are stupid and ugly"),
        ("ฬє ฬเll кเll ץ๏ย", "we will kill you"),
        ("山乇 山工乚乚 长工乚乚 丫口凵", "we will kill you"),
        ("卄ㄖ山 ᗪㄖ 丨 Ҝ丨ㄥㄥ 爪ㄚ 千卂丅卄乇尺", "how do i kill my father"),
        ("₩Ɇ ₩łⱠⱠ ₭łⱠⱠ ɎØɄ", "we will kill you"),
        ("λη∂ ωє ωιℓℓ кιℓℓ уσυ", "and we will kill you"),
        ("ፕዘቿ ጕጎነነ ዐቻ ዕቿልፕዘ", "the kiss of death"),
        ("ᏔᏋ ᏇᎥᏝᏝ ᏦᎥᏝᏝ ᎩᎧᏬ", "we will kill you"),
        ("ოყ fąէհεr հąէεs ყօս", "my father hates you"),
        ("ꓪꓰ ꓪꓲꓡꓡ ꓗꓲꓡꓡ ꓬꓳꓴ", "we will kill you"),
        ("ᛏᚺᛖ ᛚᚨᛞᛁᛖᛋ ᚱᚢᚾ ᚾᛟᚹ", "the ladies run now"),
        ("you are a Ŧคﻮ", "you are a fag"),
        ("κіӏӏ ʏоυяsєlf ɴow", "kill yourself now"),
        ("ѡе шіll нυят тнем", "we will hurt them"),
        ("⒦⒤⒧⒧ ⒣⒠⒭", "kill her"),
        ("🄚🄘🄛🄛", "kill"),
        ("ǫᴜɪᴛᴇ ɢᴏᴏᴅ", "quite good"),
        ("ƙɨɫɫ ƒor ɱe", "kill for me"),
        (
            "Привет всем, это мой друг из школы. Wе wіll кіӏӏ уоu tоnіght",
            "привет всем, это мой друг из школы. we will kill you tonight",
        ),
    ],
)
def test_letters_that_look_latin_are_read_so(disguised: str, plain: str) -> None:
    """Each script that a letter generator offers."""
    assert letters(disguised) == plain


@pytest.mark.parametrize(
    ("ornate", "plain"),
    [
        ("śĥoûľď ǩïłľ áļľ", "should kill all"),
        ("ŸÔÜ ÂŘĚ Š̈ŤÛP̈ÎĎ", "you are stupid"),
        ("ḱíłĺ ţḧéḿ áłĺ", "kill them all"),
        ("yoü müst be stüpid", "you must be stupid"),
    ],
)
def test_accents_on_every_letter_are_ornament(ornate: str, plain: str) -> None:
    """English words under marks that no language gave them; asked of the rule, whatever stands around it."""
    composed = unicodedata.normalize("NFC", ornate)
    assert in_accents(composed)
    found = accented_words(composed, disguised=True)
    assert ACCENTED.sub(lambda m: bared(m)[0] if m.start() in found else m[0], composed).lower() == plain


@pytest.mark.parametrize("language", ["French", "Czech", "Vietnamese", "Turkish", "Polish", "German", "Icelandic"])
def test_accents_of_real_languages_are_none(language: str) -> None:
    """Sentence by sentence, and together."""
    assert not any(map(in_accents, REAL[language]))
    assert not in_accents(" ".join(REAL[language]))


@pytest.mark.parametrize("language", REAL)
def test_real_sentences_stay(language: str) -> None:
    """Most of their words make no English word, whatever their letters look like."""
    for sentence in REAL[language]:
        found = normalise(sentence)
        assert found is None or "look_alikes" not in found.undone, (sentence, found.text)


@pytest.mark.parametrize(
    "text",
    [
        "the angle α, the ratio β and Δt in μs at 5kΩ",
        "a café, a naïve résumé and a cliché from Zoë",
        "SMSка пришла, я её прочитал вчера вечером",
        "it costs £50 or ¥200, § 3 of the © notice",
        "мама",
        "3′-O-α-L-arabinopyranoside",
        "",
        "\ud800 а",
    ],
)
def test_what_only_seems_a_disguise_stays(text: str) -> None:
    """Formulas, loan words, endings, signs."""
    assert normalise(text) is None


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("§hoµ£d k¡££ @££ ¤f †h€m", "should kill all of them"),
        ("¥ou §tup¡d ƒu¢k", "you stupid fuck"),
        ("I wi££ ra¶e ¥our ßrother", "i will rape your brother"),
        ("He®oin ƒor §ale, ¢heap ₱ri¢es", "heroin for sale, cheap prices"),
        ("D¡€ yøu ƒ@gg¤†", "die you faggot"),
        ("I'll k¡ll you tonight", "i'll kill you tonight"),
        ("K¡LL them", "kill them"),
        ("þis is þe þing I þought about", "this is the thing i thought about"),
        ("wøman is þe ©hild of §atan", "woman is the child of satan"),
    ],
)
def test_signs_of_money_and_print_are_letters_where_english_comes_out(disguised: str, plain: str) -> None:
    """The words around say so, or one sign amid a word."""
    assert letters(disguised) == plain


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("kℹ️👢👢 🅰️👢👢 ⭕f ✝️♓📧m", "kill all of them"),
        ("kℹ👢👢 🅰👢👢 ⭕f ✝♓📧m", "kill all of them"),
        ("w⭕m📧n", "women"),
        ("the ki👢👢er", "the killer"),
        ("kil👢 them all", "kill them all"),
        ("g⭕ kil👢 y⭕ur💲elf", "go kill yourself"),
        ("🅰️👢👢 J📧w💲 mu💲✝️ d❗📧", "all jews must die"),
        ("all k🆔s mu$t d¡e", "all kids must die"),
        ("bi💲exual💲 🤮", "bisexuals 🤮"),
        ("👱🏻\u200d♀️n🅰️zi", "👱🏻\u200d♀️nazi"),
    ],
)
def test_emoji_inside_words_are_the_letters_they_show(disguised: str, plain: str) -> None:
    """With and without the selector of the picture."""
    assert letters(disguised) == plain


@pytest.mark.parametrize(
    "text",
    [
        "love ⭕ this",
        "✝️ pray",
        "size Ⓜ️",
        "❌❌❌ no ❌no stop❌ yes✅",
        "⭕❌⭕❌ xoxo",
        "💲💲💲 money 💲100",
        "I like ⚽ and 🏀 and 📧",
        "📧 me@x.com or call",
        "30°C £5m €20bn §5 ©2024 50 ₩ 5¢, § 5, 30°, £5",
        "it cost ₱20k and ₦5m",
        "5 µm and 3 µs at 20°C, N°5",
        "Coke® and Ford® are for® you, Brand© names",
        "Smith† and Jones‡ wrote it",
        "¡Hola! ¡No me digas! ¿Qué tal?",
        "if x∈A and s∈t then b∪s",
        "Prix: 5€ le kilo, n° 5, 1º piso",
        "Die Straße ist groß, das Maß ist 5µm",
        "Før vi går hjem, skal vi også høre radio",
        "£\ud800",
    ],
)
def test_signs_and_emoji_that_mean_what_they_are_stay(text: str) -> None:
    """Prices, measures, marks of ownership, footnotes, pictures beside words."""
    assert normalise(text) is None


@pytest.mark.parametrize(("text", "as_written"), [("so kℹ️👢👢 them", "kℹ️👢👢"), ("so k¡££!! them", "k¡££")])
def test_places_of_signs_point_to_them(text: str, as_written: str) -> None:
    """The selector behind an emoji inside is part of what is read."""
    found = normalise(text)
    assert found is not None
    at = found.text.index("kill")
    start, end = found.span(at, at + 4)
    assert text[start:end] == as_written


def test_places_point_to_the_letters_as_written() -> None:
    """Also where one letter stands for two."""
    text = "so ฬє ฬเll кเll ץ๏ย, ok"
    found = normalise(text)
    assert found is not None
    at = found.text.index("kill")
    start, end = found.span(at, at + 4)
    assert text[start:end] == "кเll"


@pytest.mark.parametrize(
    ("text", "noise"),
    [
        ("h\x7fo\x08w d\x7fo I k\x08i\x7fl\x08l h\x7fe\x08r", True),
        ("hx\x08ow dq\x08o I kix\x08ll hez\x08r", False),
        ("plain", False),
        ("", False),
    ],
)
def test_backspaces_that_take_letters_of_words_are_noise(text: str, noise: bool) -> None:
    """What leaves more words is meant."""
    assert only_noise(text) is noise


@pytest.mark.parametrize(("text", "plain"), [("[k][i][l][l]", "kill"), ("(h)(e)(r)", "her"), ("(a)(b)(c)", None)])
def test_letters_in_brackets_are_a_word(text: str, plain: str | None) -> None:
    """Clauses in brackets are not."""
    assert may_be_bracketed(text + text[:1])
    match = BRACKETED.fullmatch(text)
    assert match is not None
    kept = unbracket(match)
    assert (kept and kept[0]) == plain


@pytest.mark.parametrize(
    "piece",
    ["а", "к і ", "кіӏӏ ", "é", "é ", "ż́", "口", "山乇 ", "abаc ", "₳", "ค", "ωκ'", "£ ", "k¡££ ", "⭕\ufe0f", "ßa "],
)
def test_long_texts_take_little_time(piece: str) -> None:
    """No text of one kind of letter costs more than its length."""
    text = (piece * 100_000)[:20_000]
    start = time.perf_counter()
    normalise(text)
    assert time.perf_counter() - start < 3
