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
_OPTION_FR = r"(?:la\s+|l')?(?:option\s+|réponse\s+|proposition\s+|lettre\s+)?"

CUES = {
    "en": r"\b(?:answer|choice|option)(?:\s+(?:to|for)\s+(?:this|the)\s+question)?\s*"
    r"(?:(?:is|was|would\s+be|should\s+be|must\s+be)\s*:?|:|\s-)\s*(?:the\s+)?(?:option\s+|choice\s+|letter\s+)?"
    r"|\b(?:of\s+choice|appropriate|suitable)\s+(?:here\s+)?is\s+(?:option\s+)?"
    r"|^(?:definitely|certainly|surely|clearly|probably|likely|most\s+likely),?\s+(?:option\s+)?"
    r"|\bmakes\s+(?:option\s+)?"
    r"|\b(?:choose|chose|select|pick|go\s+with)\s+(?:the\s+)?(?:option\s+|choice\s+|answer\s+|letter\s+)?"
    r"|\b(?:it\s+is|it's|it\s+would\s+be|it\s+must\s+be)\s+(?:option\s+)?"
    r"|^(?:so|thus|hence|therefore),?\s+(?:option\s+)?|^(?:option|choice|letter)\s+",
    "zh": r"(?:答案|选(?:择|项)?(?:选项)?)\s*(?:应[该当]?)?\s*(?:[是为选]\s*:?|:)?\s*(?:选项)?|应[该当]?[是为]\s*",
    "hi": r"(?:उत्तर|जवाब|विकल्प)\s*(?:है\s*:?|:|-)?\s*(?:विकल्प\s*)?|सबसे\s+(?:अच्छी|उपयुक्त)\s+दवा\s+",
    "es": r"\b(?:respuesta|opción|alternativa)(?:\s+(?:correcta|adecuada|apropiada|acertada|exacta|final|verdadera))?"
    rf"\s*(?:(?:es|sería)\s*:?|:)\s*{_OPTION_ES}"
    rf"|\bcorrecta\s*(?:es|:)\s*{_OPTION_ES}|\b(?:elijo|elegiría|escojo|selecciono|marco)\s+{_OPTION_ES}"
    rf"|\b(?:es|sería)\s+la\s+(?:opción\s+|respuesta\s+)?|\bde\s+elección\s+es\s+(?:el\s+|la\s+)?"
    r"|^(?:sin\s+duda(?:\s+alguna)?,?\s+)?la\s+|^(?:la\s+)?(?:opción|letra|alternativa)\s+",
    "fr": r"\b(?:réponse|option|proposition)(?:\s+(?:correcte|exacte|juste|finale|adéquate))?\s*"
    rf"(?:(?:est|serait)\s*:?|:)\s*(?:donc\s+)?{_OPTION_FR}"
    rf"|\b(?:choisis|choisirais|sélectionne|opte\s+pour)\s+{_OPTION_FR}|\bs'agit\s+de\s+{_OPTION_FR}"
    rf"|\bc'est\s+{_OPTION_FR}|\bde\s+choix\s+est\s+(?:le\s+|la\s+)?"
    r"|^(?:sans\s+(?:aucun\s+)?doute,?\s+)?la\s+|^(?:l')?(?:option|lettre|proposition)\s+",
    "ar": r"(?:ال)?(?:[إا]جابة|[إا]جابتي|جواب|خيار)(?:\s+(?:الصحيحة?|الأنسب|النهائية?))?"
    r"(?:\s+(?:على|عن)\s+هذا\s+السؤال)?\s*(?:(?:هي|هو)\s*:?|:|-)?\s*(?:الخيار\s+|الحرف\s+)?|(?:أختار|اخترت|نختار)\s+(?:الخيار\s+)?|^الحرف\s+|المناسب\s+هو\s+",
}
"""After which a letter is a statement."""

NEGATIONS = {
    "en": r"\b(?:not|never|no|nor|if|whether|unless|doubt|wrong|incorrect|false|cannot)\b|n't\b",
    "zh": r"不|没|非|无|错|误|如果|若",
    "hi": r"(?:सही\s+)?नहीं|(?<!\S)न(?!\S)|गलत|ग़लत|अगर|यदि",
    "es": r"\b(?:no|ni|si|dudo|incorrect[ao]|fals[ao])\b",
    "fr": r"\b(?:ne|pas|ni|si|mauvaise|fausse?|faux|incorrecte?)\b|\bn'",
    "ar": r"ليس|\bلا\b|لم\b|إذا|خاطئ|خط[أا]|غير",
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
    "en": r"is\s+(?:the\s+)?(?:correct|right)\b",
    "zh": r"(?:选项|项)?是?正确(?!吗)",
    "hi": r"(?:ही\s+)?सही\s+(?:उत्तर\s+)?(?:है(?!\s*नहीं)|होगा)",
    "es": r"es\s+(?:la\s+)?correcta\b",
    "fr": r"est\s+(?:la\s+)?(?:bonne|correcte|exacte|juste)\b",
    "ar": r"(?:هو|هي)?\s*(?:ال)?صحيحة?\b",
}
"""Right after a letter they state it."""

CONNECTIVES = {
    "en": r"(?:because|since|the\s+best|the\s+right|the\s+correct|rather\s+than|instead\s+of|and\s+not|not)\b",
    "zh": r"(?:选项|项)(?!.{0,2}[错误不])|因为|而不是",
    "hi": r"(?:है|होगा)(?!\s*(?:नहीं|या))|क्योंकि|चुन",
    "es": r"(?:porque|ya que|y\s+no)\b",
    "fr": r"(?:car|parce que|et\s+non|plutôt\s+que)\b",
    "ar": r"لأن|حيث|وليس",
}
"""May follow a bare letter that a cue announces. Any other word makes it part of a term: B cells, C peptide."""

CORRECTIONS = {
    "en": r"\b(?:no|wait|actually|correction|sorry|rather|i\s+mean|reflection|second\s+thoughts?|final(?:ly)?)\b",
    "zh": r"不对|更正|抱歉|其实|等等|不,|最终|最后",
    "hi": r"नहीं|माफ़|क्षमा|बल्कि|वास्तव में|अंतिम|अंततः",
    "es": r"\b(?:no|perdón|mejor\s+dicho|en\s+realidad|corrijo|corrección|finalmente|final)\b",
    "fr": r"\b(?:non|pardon|plutôt|en\s+fait|correction|finalement|finale)\b",
    "ar": r"\bلا\b|عفو|بل\b|تصحيح|في الواقع|النهائي|في النهاية",
}
"""Between two statements they take the first back."""

JOINED = r"or|and|nor|o|u|y|ou|et"
JOINED_BARE = "या|और|तथा|أو|و|或者?|还是|和|与|及"
"""Words between two letters: whole ones, and those that scripts write without spaces around."""

BEFORE_LETTER = (
    r"option|choice|answer|letter|la|opción|respuesta|alternativa|letra|réponse|proposition|lettre"
    r"|विकल्प|उत्तर|से|الخيار|الحرف"
)
BEFORE_LETTER_BARE = "选项|答案|所以|因此|故|则"
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
