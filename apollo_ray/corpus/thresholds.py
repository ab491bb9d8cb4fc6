"""Limits of the quality rules."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["prose", "dialogue", "exam", "math", "code"]

GROUP_OF_KIND = {
    "book": "prose",
    "paper": "prose",
    "encyclopedia": "prose",
    "guideline": "prose",
    "web": "prose",
    "patient": "dialogue",
    "general": "dialogue",
    "exam": "exam",
    "math": "math",
    "code": "code",
}
SCRIPT_OF_LANGUAGE = {"en": "latin", "es": "latin", "fr": "latin", "zh": "han", "hi": "devanagari", "ar": "arabic"}

FUNCTION_WORDS = {
    "en": """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
        which one you were all her she there would their we him been has when who will no more if out so up said what
        its about than into them can only other time could these may do then first any my now such like our over me
        even most made after also did many must before see through back where much your should because each just those
        how i am being between both does during some very while until under whether without within against upon per""",
    "es": """de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin
        sobre este ya entre cuando todo esta ser son dos también fue había era muy hasta desde está mi porque qué sólo
        solo han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese ahora cada e otro
        después te otros aunque esa eso hace otra tan durante siempre antes esto tras según les cual cuyo ante bajo
        contra mediante estos estas fueron sea pueden deben debe he tengo tu usted cómo""",
    "fr": """de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ou son
        aux cette mais on ses d l qu n s c j m t ont être été nous fait comme leur ces y deux si sa elle sans entre
        peut tout vous je après aussi même avant avait était leurs bien dont où encore autres très faire lors chez
        donc sous depuis lui alors ainsi cet moins toute tous ils elles cela doit doivent peuvent non selon vers
        pendant lorsque contre mon ma mes votre vos notre nos""",
    "hi": """के का में की है और से को हैं एक पर यह ने भी कि हो नहीं था जो कर लिए इस या तो ही थे थी करने किया अपने साथ जा रहा
        बाद जाता इसके उनके ये वे वह उस हुए रहे रही जब तक कुछ गया होता होती होने करते करता करती दिया जाती जाते द्वारा
        अपनी अपना कोई बहुत सकता सकती सकते हुआ हुई गई गए तथा एवं व अगर यदि लेकिन पहले फिर इन उन मैं हम आप मुझे आपको मेरे
        उन्हें इसे उसे क्या कैसे क्यों कब कहाँ जैसे अधिक बीच दो हर सभी अन्य चाहिए कम ऐसे वाले वाली वाला रूप दौरान ना न""",
    "ar": """في من على إلى أن عن التي الذي هذا هذه مع كان كانت لا ما أو هو هي بعد قبل كل قد ذلك بين غير كما لم ثم حيث
        عند إذا حتى أي منذ تم يتم يمكن إن لكن ولا وقد وهو وهي وفي ومن وعلى التى الى فى لن له لها به بها فيه فيها منه
        منها عليه عليها هناك خلال أكثر بعض دون ضد تلك هؤلاء الذين أيضا أيضًا بشكل عندما كيف ماذا لماذا هل متى أين نحو حول
        يكون تكون يجب نفس جدا أحد إحدى أما بل فقد وكان وكانت لأن بأن أنه أنها وأن بسبب لدى تحت فوق مثل عدم كنت أنا""",
    "zh": " ".join(
        "的了在是我有和就不都也很到说要去你会着没自这那哪个们中为来以对可能而得于下之过所然多么如同当还此些其但只从由"
        "又等者与被将并及或更使他她它您吗呢吧啊什怎谁该应须已曾再才便即若则且虽把给向比各每某几两次无非因故是故"
        "也乎焉矣哉兮曰乃盖夫惟皆尔耳何亦未勿莫凡遂既尚甚岂"
    ),
}


@dataclass(frozen=True)
class Rule:
    """A text of `min_tokens` tokens or more is refused where `measure` is beyond its limit.

    `tightest` is how strict a limit may get at most, however clean the text was that it was calibrated on: of a cell
    with 200 texts the last percentile says little.
    """

    name: str
    measure: str
    side: Literal["min", "max"]
    tightest: float
    min_tokens: int = 0
    only_below: tuple[str, float] | None = None  # applies only where another measure is below this value


OWN_SCRIPT = "own_script_share"
"""The share of letters in the script of the text's language, which depends on the language and so is no measure."""

RULES = (
    Rule("broken_encoding", "broken_share", "max", 0.01),
    Rule("few_letters", "letters_share", "min", 0.75),
    Rule("foreign_script", OWN_SCRIPT, "min", 0.7),
    Rule("mixed_scripts", "script_breaks_share", "max", 0.01),
    Rule("letters_apart", "single_letters_share", "max", 0.3, 20),
    Rule("many_digits", "digits_share", "max", 0.12, 20),
    Rule("code_marks", "code_marks_share", "max", 0.05, 20),
    Rule("much_punctuation", "punctuation_share", "max", 0.17, 20),
    Rule("long_tokens", "long_tokens_share", "max", 0.3),
    Rule("web_addresses", "url_share", "max", 0.15, 20),
    Rule("few_words", "letter_tokens_share", "min", 0.7, 20),
    Rule("short_words", "letters_per_token", "min", 99, 20),
    Rule("long_words", "letters_per_token", "max", 0, 20),
    Rule("capitals", "upper_share", "max", 0.3, 20),
    Rule("repeated_lines", "repeated_lines_share", "max", 0.25, 20),
    Rule("repeated_5grams", "repeated_5grams_share", "max", 0.25, 20),
    Rule("repeated_pair", "top_2gram_share", "max", 0.08, 50),
    Rule("few_distinct_tokens", "distinct_tokens_share", "min", 0.45, 50),
    Rule("few_function_words", "function_words_share", "min", 99, 20),
    Rule("bare_phrases", "function_words_per_phrase", "min", 99, 20),
    Rule("list_of_phrases", "function_words_per_phrase", "min", 0.9, 50, ("sentence_ends_per_token", 0.004)),
    Rule("few_sentence_ends", "sentence_ends_per_token", "min", 0.015, 60),
    Rule("loose_lines", "loose_lines_share", "max", 0.6, 50),
    Rule("ellipses", "ellipsis_lines_share", "max", 0.4, 50),
)


def limit_of(rule: Rule, group: str, lang: str | None) -> float:
    """The value beyond which `rule` refuses a text."""
    limits = LIMITS[group][rule.name]
    return limits.get(lang or "", limits["default"])


LIMITS: dict[str, dict[str, dict[str, float]]] = {
    "prose": {
        "broken_encoding": {"default": 0.01},
        "few_letters": {"en": 0.73, "hi": 0.75, "es": 0.72, "fr": 0.75, "ar": 0.75, "default": 0.66},
        "foreign_script": {"en": 0.7, "hi": 0.7, "es": 0.7, "fr": 0.7, "ar": 0.7, "default": 0.61},
        "mixed_scripts": {"default": 0.01},
        "letters_apart": {"default": 0.3},
        "many_digits": {"en": 0.12, "hi": 0.12, "es": 0.12, "fr": 0.12, "ar": 0.12, "default": 0.14},
        "code_marks": {"en": 0.05, "hi": 0.05, "es": 0.05, "fr": 0.05, "ar": 0.05, "default": 0.1},
        "much_punctuation": {"en": 0.17, "hi": 0.17, "es": 0.17, "fr": 0.17, "ar": 0.17, "default": 0.31},
        "long_tokens": {"en": 0.3, "zh": 0.3, "hi": 0.3, "es": 0.3, "fr": 0.3, "ar": 0.3, "default": 1000.0},
        "web_addresses": {"default": 0.15},
        "few_words": {"default": 0.7},
        "short_words": {"en": 3.5, "zh": 0.85, "hi": 3.1, "es": 3.8, "fr": 3.7, "ar": 3.6, "default": 0.0},
        "long_words": {"en": 8.3, "zh": 1.5, "hi": 5.7, "es": 7.4, "fr": 7.4, "ar": 7.3, "default": 1000.0},
        "capitals": {"en": 0.3, "es": 0.3, "fr": 0.3, "default": 1.1},
        "repeated_lines": {"default": 0.25},
        "repeated_5grams": {"zh": 0.25, "hi": 0.25, "fr": 0.25, "ar": 0.25, "default": 0.26},
        "repeated_pair": {"default": 0.08},
        "few_distinct_tokens": {"en": 0.45, "hi": 0.45, "es": 0.45, "fr": 0.45, "ar": 0.45, "default": 0.4},
        "few_function_words": {"en": 0.19, "zh": 0.09, "hi": 0.26, "es": 0.17, "fr": 0.29, "ar": 0.093, "default": 0.0},
        "bare_phrases": {"en": 0.71, "zh": 0.32, "hi": 1.2, "es": 0.43, "fr": 1.1, "ar": 0.49, "default": 0.0},
        "list_of_phrases": {"en": 0.9, "zh": 0.9, "hi": 0.9, "es": 0.9, "fr": 0.9, "ar": 0.9, "default": 0.0},
        "few_sentence_ends": {"en": 0.015, "hi": 0.015, "es": 0.014, "fr": 0.015, "ar": 0.0032, "default": 0.0},
        "loose_lines": {"default": 0.6},
        "ellipses": {"default": 0.4},
    },
    "dialogue": {
        "broken_encoding": {"default": 0.01},
        "few_letters": {"en": 0.65, "hi": 0.64, "es": 0.61, "fr": 0.64, "ar": 0.58, "default": 0.4},
        "foreign_script": {"en": 0.44, "hi": 0.38, "es": 0.7, "fr": 0.7, "ar": 0.36, "default": 0.13},
        "mixed_scripts": {"default": 0.01},
        "letters_apart": {"default": 0.3},
        "many_digits": {"en": 0.19, "hi": 0.19, "es": 0.2, "fr": 0.19, "ar": 0.2, "default": 0.35},
        "code_marks": {"default": 0.05},
        "much_punctuation": {"en": 0.17, "hi": 0.17, "es": 0.17, "fr": 0.17, "ar": 0.18, "default": 0.25},
        "long_tokens": {"en": 0.3, "zh": 0.3, "hi": 0.3, "es": 0.3, "fr": 0.3, "ar": 0.3, "default": 1000.0},
        "web_addresses": {"default": 0.15},
        "few_words": {"en": 0.7, "zh": 0.68, "hi": 0.7, "fr": 0.67, "ar": 0.68, "default": 0.63},
        "short_words": {"en": 2.2, "zh": 0.85, "hi": 2.9, "es": 3.2, "fr": 3.2, "ar": 3.3, "default": 0.0},
        "long_words": {"en": 8.0, "zh": 3.6, "hi": 7.4, "es": 8.7, "fr": 8.3, "ar": 7.2, "default": 1000.0},
        "capitals": {"en": 0.53, "es": 0.3, "fr": 0.49, "default": 1.1},
        "repeated_lines": {"default": 0.25},
        "repeated_5grams": {"zh": 0.31, "hi": 0.25, "es": 0.25, "fr": 0.25, "ar": 0.25, "default": 0.42},
        "repeated_pair": {"default": 0.08},
        "few_distinct_tokens": {"en": 0.42, "hi": 0.43, "es": 0.45, "fr": 0.45, "ar": 0.45, "default": 0.4},
        "few_function_words": {
            "en": 0.076, "zh": 0.072, "hi": 0.099, "es": 0.12, "fr": 0.11, "ar": 0.031, "default": 0.0,
        },
        "bare_phrases": {"en": 0.24, "zh": 0.34, "hi": 0.33, "es": 0.38, "fr": 0.3, "ar": 0.16, "default": 0.0},
        "list_of_phrases": {"en": 0.9, "zh": 0.9, "hi": 0.9, "es": 0.9, "fr": 0.9, "ar": 0.9, "default": 0.0},
        "few_sentence_ends": {"en": 0.011, "hi": 0.012, "es": 0.0027, "fr": 0.011, "ar": 0.0025, "default": 0.0},
        "loose_lines": {"default": 0.6},
        "ellipses": {"default": 0.4},
    },
    "exam": {
        "broken_encoding": {"default": 0.01},
        "few_letters": {"en": 0.51, "hi": 0.45, "es": 0.55, "fr": 0.65, "ar": 0.48, "default": 0.3},
        "foreign_script": {"en": 0.7, "hi": 0.58, "es": 0.7, "fr": 0.7, "ar": 0.45, "default": 0.23},
        "mixed_scripts": {"default": 0.01},
        "letters_apart": {"zh": 0.52, "hi": 0.37, "es": 0.53, "fr": 0.46, "ar": 0.43, "default": 0.64},
        "many_digits": {"en": 0.2, "hi": 0.27, "es": 0.17, "fr": 0.13, "ar": 0.2, "default": 0.33},
        "code_marks": {"zh": 0.05, "hi": 0.05, "es": 0.05, "fr": 0.05, "ar": 0.05, "default": 0.051},
        "much_punctuation": {"en": 0.26, "hi": 0.24, "es": 0.28, "fr": 0.21, "ar": 0.29, "default": 0.48},
        "long_tokens": {"en": 0.3, "zh": 0.3, "hi": 0.3, "es": 0.3, "fr": 0.3, "ar": 0.3, "default": 1000.0},
        "web_addresses": {"default": 0.15},
        "few_words": {"en": 0.58, "zh": 0.57, "hi": 0.66, "es": 0.61, "fr": 0.65, "default": 0.53},
        "short_words": {"en": 2.3, "zh": 0.85, "hi": 2.4, "es": 2.4, "fr": 2.7, "ar": 2.5, "default": 0.0},
        "long_words": {"en": 9.4, "zh": 2.1, "hi": 7.4, "es": 8.8, "fr": 8.7, "ar": 7.1, "default": 1000.0},
        "capitals": {"en": 0.4, "es": 0.34, "fr": 0.42, "default": 1.1},
        "repeated_lines": {"en": 0.31, "zh": 0.29, "hi": 0.34, "es": 0.31, "ar": 0.3, "default": 0.52},
        "repeated_5grams": {"en": 0.51, "zh": 0.53, "es": 0.53, "fr": 0.5, "ar": 0.47, "default": 0.56},
        "repeated_pair": {"en": 0.12, "hi": 0.1, "ar": 0.092, "default": 0.14},
        "few_distinct_tokens": {"zh": 0.26, "hi": 0.26, "es": 0.26, "fr": 0.33, "ar": 0.27, "default": 0.23},
        "few_function_words": {
            "en": 0.11, "zh": 0.036, "hi": 0.069, "es": 0.16, "fr": 0.19, "ar": 0.049, "default": 0.0,
        },
        "bare_phrases": {"en": 0.18, "zh": 0.12, "hi": 0.11, "es": 0.26, "fr": 0.27, "ar": 0.15, "default": 0.0},
        "list_of_phrases": {"en": 0.9, "zh": 0.9, "hi": 0.9, "es": 0.9, "fr": 0.36, "ar": 0.9, "default": 0.0},
        "few_sentence_ends": {"en": 0.015, "zh": 0.015, "es": 0.015, "ar": 0.0024, "default": 0.0},
        "loose_lines": {"en": 0.6, "zh": 0.6, "hi": 0.81, "es": 0.6, "ar": 0.81, "default": 1.1},
        "ellipses": {"default": 0.4},
    },
    "math": {
        "broken_encoding": {"default": 0.01},
        "few_letters": {"en": 0.57, "hi": 0.45, "es": 0.55, "fr": 0.57, "ar": 0.48, "default": 0.3},
        "foreign_script": {"en": 0.7, "hi": 0.38, "es": 0.7, "fr": 0.7, "ar": 0.36, "default": 0.13},
        "mixed_scripts": {"default": 0.01},
        "letters_apart": {"en": 0.3, "zh": 0.52, "hi": 0.37, "fr": 0.46, "ar": 0.43, "default": 0.53},
        "many_digits": {"en": 0.28, "hi": 0.28, "es": 0.28, "fr": 0.28, "ar": 0.28, "default": 0.35},
        "code_marks": {"en": 0.079, "hi": 0.079, "es": 0.079, "fr": 0.079, "ar": 0.079, "default": 0.1},
        "much_punctuation": {"en": 0.17, "hi": 0.24, "es": 0.28, "fr": 0.21, "ar": 0.29, "default": 0.48},
        "long_tokens": {"en": 0.3, "zh": 0.3, "hi": 0.3, "es": 0.3, "fr": 0.3, "ar": 0.3, "default": 1000.0},
        "web_addresses": {"default": 0.15},
        "few_words": {"default": 0.51},
        "short_words": {"en": 2.8, "zh": 0.85, "hi": 2.4, "es": 2.4, "fr": 2.7, "ar": 2.5, "default": 0.0},
        "long_words": {"en": 6.3, "zh": 6.3, "hi": 7.4, "es": 8.8, "fr": 8.7, "ar": 7.3, "default": 1000.0},
        "capitals": {"en": 0.3, "es": 0.34, "fr": 0.49, "default": 1.1},
        "repeated_lines": {"en": 0.25, "zh": 0.29, "hi": 0.34, "es": 0.31, "ar": 0.3, "default": 0.52},
        "repeated_5grams": {"en": 0.25, "zh": 0.53, "es": 0.53, "fr": 0.5, "ar": 0.47, "default": 0.56},
        "repeated_pair": {"en": 0.089, "hi": 0.1, "ar": 0.092, "default": 0.14},
        "few_distinct_tokens": {"en": 0.31, "fr": 0.31, "ar": 0.27, "default": 0.26},
        "few_function_words": {
            "en": 0.22, "zh": 0.036, "hi": 0.069, "es": 0.12, "fr": 0.11, "ar": 0.031, "default": 0.0,
        },
        "bare_phrases": {"en": 0.63, "zh": 0.12, "hi": 0.11, "es": 0.26, "fr": 0.27, "ar": 0.15, "default": 0.0},
        "list_of_phrases": {"en": 0.9, "zh": 0.9, "hi": 0.9, "es": 0.9, "fr": 0.9, "ar": 0.9, "default": 0.0},
        "few_sentence_ends": {"en": 0.011, "es": 0.0027, "ar": 0.0024, "default": 0.0},
        "loose_lines": {"en": 0.64, "zh": 0.64, "hi": 0.81, "es": 0.64, "ar": 0.81, "default": 1.1},
        "ellipses": {"default": 0.4},
    },
    "code": {
        "broken_encoding": {"default": 0.01},
        "few_letters": {"default": 0.28},
        "foreign_script": {"en": 0.5, "hi": 0.38, "es": 0.5, "fr": 0.5, "ar": 0.36, "default": 0.13},
        "mixed_scripts": {"default": 0.01},
        "letters_apart": {"en": 0.41, "zh": 0.52, "hi": 0.41, "fr": 0.46, "ar": 0.43, "default": 0.53},
        "many_digits": {"en": 0.24, "hi": 0.27, "es": 0.24, "fr": 0.24, "ar": 0.24, "default": 0.35},
        "code_marks": {"default": 0.23},
        "much_punctuation": {"en": 0.39, "hi": 0.39, "es": 0.39, "fr": 0.39, "ar": 0.39, "default": 0.48},
        "long_tokens": {"en": 0.3, "zh": 0.3, "hi": 0.3, "es": 0.3, "fr": 0.3, "ar": 0.3, "default": 1000.0},
        "web_addresses": {"default": 0.15},
        "few_words": {"default": 0.24},
        "short_words": {"en": 1.9, "zh": 0.85, "hi": 1.9, "es": 1.9, "fr": 1.9, "ar": 1.9, "default": 0.0},
        "long_words": {"en": 11.0, "zh": 11.0, "hi": 11.0, "es": 11.0, "fr": 11.0, "ar": 11.0, "default": 1000.0},
        "capitals": {"en": 0.3, "es": 0.34, "fr": 0.49, "default": 1.1},
        "repeated_lines": {"default": 0.75},
        "repeated_5grams": {"default": 0.74},
        "repeated_pair": {"en": 0.11, "hi": 0.11, "ar": 0.11, "default": 0.14},
        "few_distinct_tokens": {"default": 0.2},
        "few_function_words": {
            "en": 0.037, "zh": 0.036, "hi": 0.037, "es": 0.037, "fr": 0.037, "ar": 0.031, "default": 0.0,
        },
        "bare_phrases": {"en": 0.051, "zh": 0.051, "hi": 0.051, "es": 0.051, "fr": 0.051, "ar": 0.051, "default": 0.0},
        "list_of_phrases": {"en": 0.9, "zh": 0.9, "hi": 0.9, "es": 0.9, "fr": 0.9, "ar": 0.9, "default": 0.0},
        "few_sentence_ends": {"en": 0.003, "es": 0.0027, "ar": 0.0024, "default": 0.0},
        "loose_lines": {"default": 1.4},
        "ellipses": {"default": 0.4},
    },
}  # fmt: skip
"""Limits of every rule: group of kinds -> rule -> language -> value; "default" is for the languages not named.

Made by `benchmarks/calibrate.py --limits` from one half of 56,000 clean texts: news, Wikipedia, case reports, abstracts
and a textbook, guidelines, questions and dialogues of patients, exam questions, school mathematics, Python functions.
The default is the loosest of the six, or out of reach where a rule means nothing in other languages. Out of reach is
also a share above 1: most capital letters in Chinese text are abbreviations.
"""
