"""Set phrases in six languages: what gives away a hidden passage, unwillingness, a copied prompt, a request."""

import re
from collections.abc import Mapping

QUESTION_MARK = re.compile(r"[?？؟]+")

LABEL = re.compile(
    r"^[*_#\s]*(?:question|answer|pregunta|respuesta|réponse|问题|答案|回答|प्रश्न|उत्तर|السؤال|سؤال|الإجابة|الجواب)"
    r"[*_]*\s*[:：][*_\s]*",
    re.IGNORECASE,
)

# Words that give away a passage that the reader of the pair does not have.
_REFERENCES = {
    "en": r"\b(?:the|this|above|given|provided)\s+(?:text|passage|article|excerpt|reference|document|author)s?\b"
    r"|\b(?:according to|based on|mentioned in|described in)\s+(?:the|this)\s+(?:information|study above|case report)\b",
    "zh": r"(?:根据|依据|按照)?(?:上文|本文|文中|文章|原文|参考内容|参考资料|该资料|上述(?:内容|资料|文字)|这段(?:内容|文字|话))",
    "hi": r"(?:उपरोक्त|दिए गए|दिये गये|इस|उक्त)\s+(?:पाठ|अंश|लेख|संदर्भ|गद्यांश|अनुच्छेद)|(?:पाठ|लेख|गद्यांश|संदर्भ) के अनुसार",
    "es": r"\b(?:el|este|del|según el|en el)\s+(?:texto|fragmento|artículo|pasaje|autor)\b|\bla referencia\b",
    "fr": r"\b(?:le|ce|du|selon le)\s+(?:texte|passage|document|extrait)\b|\b(?:cet extrait|l['’]article|l['’]auteur|la référence)\b",
    "ar": r"(?:النص|المقطع|المقال|المرجع|الفقرة)\s+(?:أعلاه|السابق|المذكور|التالي|المعطى|السابقة)|(?:وفقا?ً? ل|حسب |بحسب |في )(?:هذا )?(?:ال|ل)(?:نص|مقطع|مقال|مرجع)\b",
}
REFERENCE = {lang: re.compile(pattern, re.IGNORECASE) for lang, pattern in _REFERENCES.items()}

UNWILLING = re.compile(
    r"\bas an? (?:ai|artificial intelligence|language model)|\bI(?:'m| am) (?:sorry|unable|not able)|\bI can(?:not|'t|’t) "
    r"(?:help|assist|answer|provide|comply)|\bI apologi[sz]e\b"
    r"|\bcomo (?:una? )?(?:ia|inteligencia artificial|modelo de lenguaje)|\blo siento\b|\bno puedo (?:ayudar|responder|"
    r"proporcionar|contestar)"
    r"|\ben tant qu['’](?:ia|intelligence artificielle|assistant)|\ben tant que modèle|\bje (?:suis désolée?|regrette)|"
    r"\bje ne peux pas (?:répondre|aider|fournir|vous)"
    r"|作为(?:一个|一名)?(?:ai|人工智能|语言模型)|(?:很抱歉|对不起|抱歉)[，,]?(?:我|无法|不能)|我(?:无法|不能)(?:回答|提供|帮助)"
    r"|एआई (?:मॉडल|सहायक) के रूप में|मैं (?:क्षमा चाहता|क्षमा चाहती|माफ़ी चाहता)|(?:क्षमा करें|माफ़ करें)[,।]? मैं|मैं .{0,20}(?:असमर्थ|नहीं कर सकत)"
    r"|(?:بصفتي|كوني|باعتباري) (?:نموذج|ذكاء|مساعد)|(?:أعتذر|آسف|عذرا)[ً،]* ?(?:لا|لكن|ولكن)|لا (?:يمكنني|أستطيع) (?:الإجابة|المساعدة|تقديم)",
    re.IGNORECASE,
)

# Sentences of the prompts that models repeat.
INSTRUCTIONS = re.compile(
    r"reply with the (?:question|answer|conversation) alone|do not mention (?:the|a) (?:reference|text)"
    r"|responda únicamente con la|responde únicamente con la|no mencione (?:la referencia|ningún texto)"
    r"|répondez uniquement par|ne mentionnez (?:pas la référence|ni texte)"
    r"|只输出(?:问题|答案|对话)|不要提到(?:参考内容|这段内容)"
    r"|केवल (?:प्रश्न|उत्तर|बातचीत) लिखिए|संदर्भ का उल्लेख न"
    r"|اكتب (?:السؤال|الإجابة|المحادثة) (?:فقط|وحدها)|لا تذكر (?:المرجع|نصًا)",
    re.IGNORECASE,
)

# A question without a question mark is a request.
REQUEST = {
    "en": re.compile(
        r"^(?:please\s+)?(?:explain|describe|list|name|tell|give|outline|summari[sz]e|compare|discuss|state|define|"
        r"what|how|why|when|which|who|where|can|could|should|is|are|does|do)\b|\bon the subject of\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(r"请|介绍|说明|解释|描述|列出|什么|如何|怎|哪|为何|吗|呢|几|多少|是否|能否"),
    "hi": re.compile(r"बताइए|बताएँ|बताएं|बताइये|समझाइए|समझाएँ|वर्णन|लिखिए|दीजिए|क्या|कैसे|क्यों|कब|कौन|कितन|किस(?!ी)|कहाँ"),
    "es": re.compile(
        r"^(?:por favor,?\s+)?(?:explique|explica|describa|describe|enumere|enumera|indique|indica|mencione|diga|"
        r"resuma|compare|defina|defin[ae]|señale|qué|cuál|cómo|por qué|cuándo|quién|dónde)\b",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^(?:veuillez\s+)?(?:expliquez|décrivez|décrire|expliquer|citez|énumérez|indiquez|précisez|résumez|comparez|"
        r"définissez|donnez|quel|quelle|quels|quelles|que|qu['’]|comment|pourquoi|quand|qui|où|à propos)\b",
        re.IGNORECASE,
    ),
    "ar": re.compile(
        r"^(?:من|ما|أي|كم|عدد|بين|صف|في أي) |اشرح|اذكر|وضح|لخص|قارن|عرف |ماذا|كيف|لماذا|متى|هل |أين|ما هو|ما هي"
    ),
}

YES = {"en": "yes", "zh": "是|支持", "hi": "हाँ|हां|जी हाँ", "es": "sí|si", "fr": "oui", "ar": "نعم"}
NO = {"en": "no|not", "zh": "否|不|没有", "hi": "नहीं|जी नहीं", "es": "no", "fr": "non", "ar": "لا|كلا"}
"""How a judge begins, by language."""


def begins(text: str, words: Mapping[str, str], lang: str) -> bool:
    """Whether `text` begins with one of the words of `lang` or of English, whatever stands before them or follows."""
    end = "" if lang == "zh" else r"(?!\w)"
    return re.match(rf"\W*(?:(?:{words['en']})(?!\w)|(?:{words.get(lang, words['en'])}){end})", text, re.I) is not None
