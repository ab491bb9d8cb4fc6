"""Words by language for reading letters: what announces one, denies one, joins two, or takes one back."""

import unicodedata
from collections.abc import Mapping

NATIVE: Mapping[str, Mapping[str, str]] = {
    "ar": dict(zip(("أ", "ا", "ب", "ج", "د", "ه", "هـ", "و"), "AABCDEEF", strict=True)),
    "hi": dict(
        zip(("क", "ख", "ग", "घ", "ङ", "ए", "बी", "सी", "डी", "ई", "अ", "ब", "स", "द"), "ABCDEABCDEABCD", strict=True)
    ),
}
"""Letters of a language's own script as options are numbered in it, and in Hindi the names of the Latin ones."""

_OPTION_ES = r"(?:la\s+)?(?:opción\s+|respuesta\s+|alternativa\s+|letra\s+)?"
_OPTION_FR = r"(?:la\s+|l'|le\s+)?(?:option\s+|réponse\s+|proposition\s+|lettre\s+|choix\s+)?"
_A_LETTER = r"(?=[(\[]?[A-Fa-f](?!\w))"

CUES = {
    "en": r"\b(?:answer|choice|option)(?:\s+(?:to|for)\s+(?:this|the)\s+question)?\s*"
    r"(?:(?:is|was|would\s+be|should\s+be|must\s+be)\s*:?|:|\s-)\s*(?:the\s+)?(?:option\s+|choice\s+|letter\s+)?"
    r"|\b(?:of\s+choice|appropriate|suitable)\s+(?:here\s+)?is\s+(?:option\s+)?"
    r"|^(?:definitely|certainly|surely|clearly|probably|likely|most\s+likely),?\s+(?:option\s+)?"
    r"|\bmakes\s+(?:option\s+)?"
    r"|\b(?:choose|chose|select|pick|go\s+with)\s+(?:the\s+)?(?:option\s+|choice\s+|answer\s+|letter\s+)?"
    r"|\b(?:it\s+is|it's|it\s+would\s+be|it\s+must\s+be)\s+(?:option\s+)?"
    r"|^(?:so|thus|hence|therefore),?\s+(?:option\s+)?|^(?:option|choice|letter)\s+"
    r"|\b(?:leaves|leaving)\s+(?:us\s+with\s+)?only\s+(?:option\s+)?|^(?:in\s+)?conclusion\s*[:,]\s*"
    r"|\b(?:among|of)\s+(?:these|those|them|the\s+(?:four|options|choices))\s+(?:is|would\s+be)\s+(?:option\s+)?"
    r"|\bleaves\s+(?=[A-F]\s+as\b)|\bresponse\s*:\s*|\bans\s*[:.]\s*"
    r"|\bi(?:'d|\s+would)\s+say\s+(?:option\s+)?|\bit\s+has\s+to\s+be\s+(?:option\s+)?|\bby\s+(?:a\s+process\s+of\s+)?elimination\s*[:,]\s*(?:option\s+)?",
    "zh": r"(?:答案|选(?:择|项)?(?:选项)?)\s*(?:应[该当]?)?\s*(?:[是为选]\s*:?|:)?\s*(?:选项)?|应[该当]?[是为]\s*"
    r"|最(?:符合|可能|合适|恰当|适合|佳|正确)的?[^\s,。;:A-Z]{0,6}是\s*(?:选项)?|只剩下?\s*(?:选项)?|^答\s*:\s*|我(?:认为|觉得)(?:应该)?是",
    "hi": r"(?:उत्तर|जवाब|विकल्प)\s*(?:है\s*:?|:|-)?\s*(?:विकल्प\s*)?|सबसे\s+(?:अच्छी|उपयुक्त)\s+दवा\s+"
    r"|(?:बचता|बचा)\s+(?:है\s+)?(?:केवल|सिर्फ|बस)\s+(?:विकल्प\s+)?|निदान\s+",
    "es": r"\b(?:respuesta|opción|alternativa)"
    r"(?:\s+(?:correcta|adecuada|apropiada|acertada|exacta|final|definitiva|verdadera))?"
    rf"\s*(?:(?:es|sería)\s*:?|:)\s*{_OPTION_ES}"
    rf"|\bcorrecta\s*(?:es|sería|:)\s*{_OPTION_ES}"
    rf"|\b(?:elijo|elegiría|escojo|selecciono|marco|marcar|marcaría|me\s+quedo\s+con)\s+{_OPTION_ES}"
    rf"|\b(?:es|sería)\s+la\s+(?:opción\s+|respuesta\s+)?|\bde\s+elección\s+es\s+(?:el\s+|la\s+)?"
    rf"|^(?:sin\s+duda(?:\s+alguna)?,?\s+)?(?=la\s){_OPTION_ES}{_A_LETTER}|^(?:la\s+)?(?:opción|letra|alternativa)\s+"
    r"|\bs[oó]lo\s+(?:nos\s+)?queda\s+(?:la\s+)?|^(?:en\s+)?conclusión\s*:\s*(?:la\s+)?"
    r"|[,:]\s*respuesta\s+(?=[A-F]\s*\.?\s*$)|\bes\s+decir,\s+la\s+"
    r"|\bpor\s+(?:descarte|eliminación)\s*[:,]\s*(?:la\s+)?",
    "fr": r"\b(?:réponse|option|proposition)(?:\s+(?:correcte|exacte|juste|finale|adéquate|à\s+retenir))?\s*"
    rf"(?:(?:est|serait)\s*:?|:)\s*(?:donc\s+)?{_OPTION_FR}"
    rf"|\b(?:choisis|choisirais|répondrais|choisir|sélectionne|retiens|opte\s+pour|faut\s+répondre)(?:\s+(?:donc|par\s+conséquent))?\s+{_OPTION_FR}|\bs'agit\s+de\s+{_OPTION_FR}"
    rf"|\bc'est\s+{_OPTION_FR}|\bde\s+choix\s+est\s+(?:le\s+|la\s+)?"
    rf"|^(?:sans\s+(?:aucun\s+)?doute,?\s+)?(?=la\s){_OPTION_FR}{_A_LETTER}|^(?:l'|le\s+)?(?:option|lettre|proposition|réponse|choix)\s+"
    r"|\b(?:ne\s+reste\s+que|reste\s+donc)\s+(?:la\s+)?|^(?:en\s+)?conclusion\s*:\s*|(?:[,:]|\bdonc)\s*réponse\s+(?=[A-F]\s*\.?\s*$)"
    r"|\bpar\s+élimination\s*[:,]\s*(?:la\s+)?",
    "ar": r"(?:ال)?(?:[إا]جابة|[إا]جابتي|جواب|خيار)(?:\s+(?:الصحيحة?|الأنسب|النهائية?))?"
    r"(?:\s+(?:على|عن)\s+هذا\s+السؤال)?\s*(?:(?:هي|هو)\s*:?|:|-)?\s*(?:الخيار\s+|الحرف\s+)?|(?:أختار|اخترت|نختار)\s+(?:الخيار\s+)?|^الحرف\s+|المناسب\s+هو\s+"
    r"|لم\s+يبق\s+(?:إلا|سوى)\s+(?:الخيار\s+)?|(?:الأفضل|الأنسب|الأرجح)[^.\n]{0,40}\s(?:هو|هي)\s+(?:الخيار\s+)?"
    r"|بالاستبعاد\s*[:,،]\s*(?:الخيار\s+)?",
}
"""After which a letter is a statement."""

NEGATIONS = {
    "en": r"\b(?:not|never|no|nor|neither|if|whether|unless|doubt|wrong|incorrect|false|cannot)\b|n't\b",
    "zh": r"不|没|非|无|错|误|如果|若",
    "hi": r"(?:सही\s+)?नहीं|(?<!\S)न(?!\S)|गलत|ग़लत|अगर|यदि",
    "es": r"\b(?:no|ni|tampoco|si|dudo|incorrect[ao]|fals[ao])\b",
    "fr": r"\b(?:ne|pas|ni|si|mauvaise|fausse?|faux|incorrecte?)\b|\bn'",
    "ar": r"ليس|\bلا\b|لم\b|إذا|خاطئ|خط[أا]|غير|كذلك",
}
"""In the clause before a cue, or right after a letter, they make the statement something else."""

COPULAS = {
    "en": r"(?:is|are|was|isn't|seems|looks|or|and|nor)\b",
    "zh": r"是|或|和|与|及|还是",
    "hi": r"या|और|तथा",
    "es": r"(?:es|son|parece|o|y)\b",
    "fr": r"(?:est|sont|semble|n'est|ou|et)\b",
    "ar": r"(?:هي|هو|أو|و)\b",
}
"""Right after a letter they start a sentence about the option, or name another one."""

AFFIRMED = {
    "en": r"(?:is|fits|seems|would\s+be)\s+(?:the\s+)?"
    r"(?:correct|right|best|answer|most\s+(?:appropriate|likely|suitable))\b"
    r"|is\s+the\s+(?:drug|treatment|test|agent|therapy)\s+of\s+choice\b|best\s+(?:explains|fits|matches|describes|accounts\s+for)\b"
    r"(?![^.\n]*\bbut\b)",
    "zh": r"(?:选项|项)?(?:是?正确(?!吗)|是?最(?:为|能)?(?:合适|恰当|符合|解释))",
    "hi": r"(?:ही\s+)?(?:सही|(?:सबसे\s+)?उपयुक्त|ठीक)\s+(?:उत्तर\s+|जांच\s+|विकल्प\s+)?(?:है(?!\s*नहीं)|होगा)"
    r"|(?:ही\s+)?(?:बचता|बचा)\s+है(?!\s*,?\s*(?:पर|लेकिन|परंतु|किंतु))",
    "es": r"(?:es\s+(?:la\s+)?(?:correcta|verdadera|que\s+mejor|más\s+(?:probable|adecuada))|explica\s+mejor"
    r"|es\s+el\s+(?:fármaco|tratamiento)\s+de\s+elección)\b",
    "fr": r"(?:est\s+(?:la\s+)?(?:bonne|correcte?|exacte?|juste|vraie?)|explique\s+le\s+mieux"
    r"|est\s+le\s+traitement\s+de\s+choix)\b",
    "ar": r"(?:هو|هي)?\s*ف?(?:ال)?صحيحة?\b|(?:هو|هي)\s+الأ(?:نسب|صح|رجح|فضل)\b",
}
"""Right after a letter they state it."""

CONNECTIVES = {
    "en": r"(?:because|since|the\s+(?:best|right|correct)|rather\s+than|instead\s+of|(?:and\s+)?not|here"
    r"|as\s+the\s+only)\b",
    "zh": r"(?:选项|项)(?!.{0,2}[错误不])|因为|而不是|了|答案(?:是|:|$)",
    "hi": r"(?:है|होगा)(?!\s*(?:नहीं|या))|क्योंकि|चुन|को\s+(?:ही\s+)?चुन|ही\s+(?:निकलता|आता|है|होगा)",
    "es": r"(?:porque|ya que|y\s+no|como)\b",
    "fr": r"(?:car|parce que|et\s+non|plutôt\s+que|qui\s+(?:convient|est))\b",
    "ar": r"لأن|حيث|وليس|أي(?!\w)|نظر[اً]|بسبب",
}
"""May follow a bare letter that a cue announces. Any other word makes it part of a term: B cells, C peptide."""

CORRECTIONS = {
    "en": r"\b(?:no|wait|actually|correction|sorry|rather|i\s+mean|reflection|second\s+thoughts?|final(?:ly)?)\b",
    "zh": r"不对|更正|抱歉|其实|等等|不,|最终|最后",
    "hi": r"नहीं|माफ़|क्षमा|बल्कि|वास्तव में|अंतिम|अंततः",
    "es": r"\b(?:no|perdón|mejor\s+dicho|en\s+realidad|corrijo|corrección|finalmente|final|definitiva|equivoqu\w+)\b",
    "fr": r"\b(?:non|pardon|plutôt|en\s+fait|correction|erratum|finalement|finale)\b",
    "ar": r"\bلا\b|عفو|عذر|بل\b|تصحيح|في الواقع|النهائي|في النهاية",
}
"""Between two statements they take the first back."""

CONCLUDES = {
    "en": r"\b(?:so|thus|hence|therefore|most\s+likely|diagnosis)\b",
    "zh": r"因此|所以|故|可见|最可能|诊断",
    "hi": r"इसलिए|अतः|सबसे\s+संभावित|निदान",
    "es": r"\b(?:por\s+(?:lo\s+)?tanto|de\s+modo\s+que|así\s+que|por\s+eso|entonces|más\s+probable|diagnóstico)\b",
    "fr": r"\b(?:donc|ainsi|par\s+conséquent|plus\s+probable|diagnostic)\b",
    "ar": r"إذن|لذا|لذلك|يعني\s+أن|الأكثر\s+احتمال|التشخيص",
}
"""In the last sentence of an answer they say that it ends with what was asked for."""

RETRACTIONS = {
    "en": r"\b(?:sorry|correction|mistaken?|i\s+was\s+wrong|scratch\s+that)\b",
    "zh": r"更正|抱歉|说错|搞错",
    "hi": r"माफ़|क्षमा|ग़?लती",
    "es": r"\b(?:perdón|me\s+corrijo|me\s+he\s+equivocado|me\s+equivoqué)\b",
    "fr": r"\b(?:pardon|erratum|je\s+me\s+suis\s+trompée?)\b",
    "ar": r"عذر|أخطأت|تصحيح",
}
"""After the last statement they take it back, whatever comes in its place."""

DENIED_LETTER = {
    "en": r"\b(?:not|isn't|cannot\s+be|can't\s+be)\s+(?:option\s+|choice\s+)?{}(?![A-Za-z0-9]|\s+[a-z])",
    "zh": r"不(?:是|应?选)\s*{}(?![A-Za-z0-9])",
    "hi": r"(?<!\w){}\s*(?:सही\s+)?नहीं",
    "es": r"\bno\s+es\s+(?:la\s+)?(?:opción\s+)?{}(?!\w|\s+[a-z])",
    "fr": r"\bpas\s+(?:la\s+)?(?:réponse\s+|option\s+)?{}(?!\w|\s+[a-z])",
    "ar": r"ليست?\s+(?:هي\s+)?(?:الخيار\s+)?{}(?!\w)",
}
"""After a statement of the letter that fills the braces they take it back."""

OTHERS = {
    "en": r"\b(?:students?|people|candidates|many|some|others)\s+(?:\w+\s+){0,2}$",
    "zh": r"(?:有人|有些人|很多人|许多人|不少人|学生|考生|同学)[^,。;]{0,4}$",
    "hi": r"(?:कई|कुछ|छात्र|लोग)\s+(?:\S+\s+){0,3}$",
    "es": r"\b(?:muchos|algunos|estudiantes|otros|gente)\s+(?:\w+\s+){0,2}$",
    "fr": r"\b(?:beaucoup|certains|étudiants|d'autres|gens)\s+(?:\w+\s+){0,2}$",
    "ar": r"(?:كثير|كثيرون|بعض|الطلاب|الناس)\s+(?:\S+\s+){0,2}$",
}
"""Right before a cue they say what other people answer."""

SUPPOSED = {
    "en": r"\bif\b(?!.*\b(?:choose|pick|guess|answer|select)\b.*,).*\b(?:would|could|might)\b",
    "zh": r"(?:如果|假如|倘若|若)[^,]*,.*(?:就|则|才)",
    "hi": r"(?:अगर|यदि)\s.*होत[ाी]",
    "es": r"\bsi\s(?!.*\b(?:elegir|escoger|responder|marcar)\b.*,).*\bsería\b",
    "fr": r"\bsi\s(?!.*\b(?:choisir|répondre|cocher)\b.*,).*\bserait\b",
    "ar": r"\bلو\s.*(?:لكان|لكانت)",
}
"""From the start of its sentence to a cue they make the statement one about another case."""

AVOIDED = {
    "en": r"\b(?:avoid\w*|stop\w*|withh\w+|withdraw\w*|discontinu\w+|contraindicat\w+|exclud\w+|rul\w+\s+out|unlikely"
    r"|least|except|without|instead\s+of|rather\s+than|against|different\s+from|other\s+than)\b",
    "zh": r"避免|禁|停用|停止|停药|排除|除了|除外|忌|慎|而不|代替",
    "hi": r"बच(?:ना|ें|ाव)|बंद|वर्जित|छोड़|के\s+बिना|के\s+बजाय|रोक",
    "es": r"\b(?:evit\w+|suspend\w+|retir\w+|contraindic\w+|descart\w+|exclu\w+"
    r"|excepto|salvo|sin|en\s+(?:lugar|vez)\s+de|contra)\b",
    "fr": r"\b(?:évit\w+|arrêt\w+|suspend\w+|contre-?\s?indiqu\w+|exclu\w+|écart\w+"
    r"|sauf|sans|au\s+lieu\s+de|plutôt\s+que|contre)\b",
    "ar": r"تجنب|[إا]يقاف|وقف|يمنع|استبعاد|باستثناء|موانع|بدون|بدلا|ضد",
}
"""Before the text of an option they say that it is not what was asked for."""

RIGHT = {
    "en": r"(?:this\s+is\s+)?(?:correct|right|true)(?:\s+answer)?",
    "zh": r"正确",
    "hi": r"सही(?:\s+है)?",
    "es": r"(?:es\s+)?(?:correct[ao]|verdader[ao])",
    "fr": r"(?:correcte?|exacte?|juste|vraie?)",
    "ar": r"صحيحة?",
}
WRONG = {
    "en": r"(?:this\s+is\s+)?(?:incorrect|wrong|false|not\s+correct)",
    "zh": r"错误|不正确|不对",
    "hi": r"ग़?लत(?:\s+है)?|सही\s+नहीं(?:\s+है)?",
    "es": r"(?:es\s+)?(?:incorrect[ao]|fals[ao])",
    "fr": r"(?:incorrecte?|inexacte?|fausse|faux)",
    "ar": r"خاطئة?|خط[أا]|غير\s+صحيحة?",
}
"""RIGHT and WRONG: the verdict that ends the line of a listed option, or is all that is said of a letter."""

LINKED = {
    "en": r"(?:\b(?:is|are|be|was|were|means|indicates|suggests|confirms)|points\s+to|consistent\s+with|:)\s+"
    r"(?:(?:thus|therefore|likely)\s+)?(?:an?\s+|the\s+)?$",
    "zh": r"(?:[是为选:]|诊断|考虑|首选|使用|给予)\s*$",
    "hi": r"(?:^|\s)$",
    "es": r"(?:\b(?:es|son|ser|sea|sería|indica|sugiere|confirma|se\s+trat[ae]\s+de)|:)\s+"
    r"(?:por\s+tanto,?\s+)?(?:el\s+|la\s+|los\s+|las\s+|una?\s+)?$",
    "fr": r"(?:\b(?:est|sont|être|serait|indique|suggère|confirme|s'agit\s+(?:donc\s+)?de)|\bs'agit(?=\s+d')|:)\s+"
    r"(?:donc\s+)?(?:le\s+|la\s+|les\s+|l'|une?\s+|d'une?\s+|d')?$",
    "ar": r"(?:^|\s|ال)$",
}
"""Right before an option's text that ends a conclusion. Hindi and Arabic need no verb there."""

OPTION_NOUN = r"\b(?:option|choice|letter|opción|letra|alternativa|respuesta|proposition|réponse|lettre|choix)\s+$"
"""Before a small letter it says that it is one, and not a word."""

NAMED_AS = r"\s*(?:answer|option|choice|diagnosis|treatment|答案|选项|选择|उत्तर|विकल्प|respuesta|opción|réponse)?\W*$"
"""What may end a sentence after an option's text and "is the right"."""

JOINED = r"or|and|nor|o|u|y|ou|et"
JOINED_BARE = "या|और|तथा|أو|و|或者?|还是|和|与|及"
"""Words between two letters: whole ones, and those that scripts write without spaces around."""

ORDINALS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("first", "second", "third", "fourth", "fifth", "last"),
        (r"\b(?:the\s+)?(?P<nth>{})\s+(?:option|choice|alternative|answer|one)\b",),
    ),
    "zh": (
        ("第一", "第二", "第三", "第四", "第五", "最后一"),
        (r"(?P<nth>{})(?:个选项|项|个)",),
    ),
    "hi": (
        ("पहला", "दूसरा", "तीसरा", "चौथा", "पाँचवाँ", "आखिरी|अंतिम"),
        (r"(?P<nth>{})\s+विकल्प",),
    ),
    "es": (
        ("primera", "segunda", "tercera", "cuarta", "quinta", "última"),
        (r"\b(?:la\s+)?(?P<nth>{})\s+(?:opción|alternativa|respuesta)\b",),
    ),
    "fr": (
        ("première", "deuxième|seconde", "troisième", "quatrième", "cinquième", "dernière"),
        (r"\b(?:la\s+)?(?P<nth>{})\s+(?:option|proposition|réponse)\b",),
    ),
    "ar": (
        ("الأول", "الثاني", "الثالث", "الرابع", "الخامس", "الأخير"),
        (r"الخيار\s+(?P<nth>{})(?!\w)",),
    ),
}
"""Of options by their place: words for the first to the fifth and the last, and where they stand beside their noun."""

OPTION = {"en": "option", "zh": "选项", "hi": "विकल्प", "es": "la opción", "fr": "la proposition", "ar": "الخيار"}

BEFORE_LETTER = (
    r"so|thus|hence|therefore|option|choice|answer|letter|la|opción|respuesta|alternativa|letra|réponse|proposition|lettre"
    r"|choix|विकल्प|उत्तर|अनुसार|से|इसलिए|अतः|केवल|सिर्फ|बस|الخيار|الحرف"
)
BEFORE_LETTER_BARE = "认为|觉得|选项|答案|所以|因此|故|则"
"""Words between which and "is correct" a letter is an option, and not the end of a term."""

SPECIES = (
    "abortus albicans anthracis baumannii botulinum burgdorferi cereus coli diphtheriae difficile duodenale faecalis "
    "faecium fragilis freundii fumigatus granulosus histolytica jejuni lumbricoides medinensis melitensis neoformans "
    "perfringens psittaci tetani trachomatis vermicularis"
)
"""After a capital and a full stop they make it a genus: E. coli states no option."""


def normal(patterns: Mapping[str, str]) -> dict[str, str]:
    """The patterns in the form in which answers are read: a letter with a nukta may be one code point or two."""
    return {lang: unicodedata.normalize("NFKC", pattern) for lang, pattern in patterns.items()}
