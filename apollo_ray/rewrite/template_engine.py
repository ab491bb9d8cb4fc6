"""Questions without an LLM: from titles and well-known headings, by pattern, in six languages.

Honest about what it is: the answer is the passage's own text, nothing is paraphrased, and a passage without title or
heading has no question. It makes the pipeline whole where no LLM may or can be asked.
"""

from apollo_ray.rewrite.segment import Passage

DEFINITION = {
    "en": "What is meant by {title}, and why does it matter?",
    "zh": "请介绍一下{title}。",
    "hi": "{title} के बारे में बताइए।",
    "es": "¿Qué conviene saber sobre el tema «{title}»?",
    "fr": "Que faut-il savoir sur le sujet « {title} » ?",
    "ar": "ما المقصود بموضوع «{title}»؟",
}

SECTION = {
    "en": "On the subject of {title}: {heading}?",
    "zh": "关于{title}：{heading}有哪些要点？",
    "hi": "{title} के संदर्भ में बताइए: {heading}।",
    "es": "Sobre «{title}»: ¿qué se puede decir de «{heading}»?",
    "fr": "À propos de « {title} » : que dire de « {heading} » ?",
    "ar": "فيما يخص «{title}»: ماذا يقال عن «{heading}»؟",
}

# Heading (folded) -> question, for the headings that health texts share.
HEADINGS = {
    "en": {
        "causes": "What causes {title}?",
        "risk factors": "What are the risk factors for {title}?",
        "symptoms": "What are the symptoms of {title}?",
        "diagnosis": "How is {title} diagnosed?",
        "treatment": "How is {title} treated?",
        "prevention": "What does prevention look like for {title}?",
        "when to seek care": "With {title}, when should one seek medical care?",
        "complications": "What complications can {title} lead to?",
        "how it works": "How does it work: {title}?",
    },
    "zh": {
        "病因": "{title}的病因是什么？",
        "危险因素": "{title}有哪些危险因素？",
        "症状": "{title}有哪些症状？",
        "诊断": "{title}如何诊断？",
        "治疗": "{title}如何治疗？",
        "预防": "关于{title}，如何做好预防？",
        "何时就医": "关于{title}，什么情况下应当就医？",
        "并发症": "{title}可能引起哪些并发症？",
        "工作原理": "{title}的原理是什么？",
    },
    "hi": {
        "कारण": "{title} के क्या कारण हैं?",
        "जोखिम कारक": "{title} के जोखिम कारक क्या हैं?",
        "लक्षण": "{title} के लक्षण क्या हैं?",
        "निदान": "{title} का निदान कैसे किया जाता है?",
        "उपचार": "{title} का उपचार कैसे किया जाता है?",
        "बचाव": "{title} के मामले में बचाव कैसे करें?",
        "डॉक्टर के पास कब जाएँ": "{title} के मामले में डॉक्टर के पास कब जाना चाहिए?",
        "जटिलताएँ": "{title} से कौन-सी जटिलताएँ हो सकती हैं?",
        "यह कैसे काम करता है": "{title}: यह कैसे काम करता है?",
    },
    "es": {
        "causas": "¿Cuáles son las causas en el caso de «{title}»?",
        "factores de riesgo": "¿Cuáles son los factores de riesgo de «{title}»?",
        "síntomas": "¿Qué síntomas presenta la persona con «{title}»?",
        "diagnóstico": "¿Cómo se hace el diagnóstico de «{title}»?",
        "tratamiento": "¿Cómo se trata: {title}?",
        "prevención": "¿Cómo se previenen los problemas relacionados con «{title}»?",
        "cuándo consultar": "En relación con «{title}», ¿cuándo conviene consultar al médico?",
        "complicaciones": "¿Qué complicaciones puede causar: {title}?",
        "cómo funciona": "¿Cómo funciona: {title}?",
    },
    "fr": {
        "causes": "Quelles sont les causes en cas de « {title} » ?",
        "facteurs de risque": "Quels sont les facteurs de risque de « {title} » ?",
        "symptômes": "Quels sont les symptômes en cas de « {title} » ?",
        "diagnostic": "Comment pose-t-on le diagnostic de « {title} » ?",
        "traitement": "Quel est le traitement en cas de « {title} » ?",
        "prévention": "Quelle prévention pour « {title} » ?",
        "quand consulter": "À propos de « {title} », quand faut-il consulter un médecin ?",
        "complications": "Quelles complications sont possibles en cas de « {title} » ?",
        "fonctionnement": "Comment cela fonctionne-t-il : {title} ?",
    },
    "ar": {
        "الأسباب": "ما أسباب {title}؟",
        "عوامل الخطر": "ما عوامل خطر {title}؟",
        "الأعراض": "ما أعراض {title}؟",
        "التشخيص": "كيف يتم تشخيص {title}؟",
        "العلاج": "كيف يتم علاج {title}؟",
        "الوقاية": "كيف تكون الوقاية في موضوع {title}؟",
        "متى تراجع الطبيب": "متى ينبغي مراجعة الطبيب في حالة {title}؟",
        "المضاعفات": "ما مضاعفات {title}؟",
        "كيف يعمل": "كيف يعمل: {title}؟",
    },
}


def question_for(passage: Passage) -> str | None:
    """A question that the passage answers, or None where no pattern fits."""
    if not passage.title or passage.lang not in DEFINITION:
        return None
    title = passage.title.strip(" .。।:：")
    if not passage.path:
        return DEFINITION[passage.lang].format(title=title) if passage.index == 0 else None
    heading = passage.path[-1]
    known = HEADINGS[passage.lang].get(heading.casefold().strip(" :："))
    return (known or SECTION[passage.lang]).format(title=title, heading=heading)
