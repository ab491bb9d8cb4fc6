"""Planted junk in six languages: what crawls and dumps are full of, built from small lists written for this purpose."""

import base64
import json
import random
from collections.abc import Callable

TERMS = {
    "en": "diabetes|high blood pressure|asthma inhaler|knee surgery|skin rash|migraine|vitamin D|back pain|flu vaccine|hair loss|dental implant|weight loss|blood test|heart attack|hearing aid|sleep apnea|thyroid|allergy tablets|stroke|pregnancy",
    "es": "diabetes|hipertensión|inhalador para el asma|cirugía de rodilla|erupción cutánea|migraña|vitamina D|dolor de espalda|vacuna de la gripe|caída del cabello|implante dental|pérdida de peso|análisis de sangre|infarto|audífonos|apnea del sueño|tiroides|alergia|ictus|embarazo",
    "fr": "diabète|hypertension|inhalateur|chirurgie du genou|éruption cutanée|migraine|vitamine D|mal de dos|vaccin contre la grippe|chute de cheveux|implant dentaire|perte de poids|prise de sang|infarctus|appareil auditif|apnée du sommeil|thyroïde|allergie|AVC|grossesse",
    "ar": "السكري|ارتفاع ضغط الدم|بخاخ الربو|جراحة الركبة|طفح جلدي|الصداع النصفي|فيتامين د|آلام الظهر|لقاح الإنفلونزا|تساقط الشعر|زراعة الأسنان|إنقاص الوزن|تحليل الدم|نوبة قلبية|سماعات طبية|انقطاع النفس|الغدة الدرقية|حساسية|سكتة دماغية|الحمل",
    "hi": "मधुमेह|उच्च रक्तचाप|दमा इनहेलर|घुटने की सर्जरी|त्वचा पर चकत्ते|माइग्रेन|विटामिन डी|कमर दर्द|फ्लू टीका|बाल झड़ना|दंत प्रत्यारोपण|वजन घटाना|रक्त जाँच|दिल का दौरा|श्रवण यंत्र|स्लीप एपनिया|थायरॉइड|एलर्जी|लकवा|गर्भावस्था",
    "zh": "糖尿病|高血压|哮喘吸入剂|膝关节手术|皮疹|偏头痛|维生素D|腰痛|流感疫苗|脱发|种植牙|减肥|血液检查|心肌梗死|助听器|睡眠呼吸暂停|甲状腺|过敏药|脑卒中|妊娠",
}
MODIFIERS = {
    "en": "best|cheap|online|near me|2024|price|reviews|clinic|treatment for|home remedies|doctor|free|causes of|top 10|buy",
    "es": "mejor|barato|online|cerca de mí|2024|precio|opiniones|clínica|tratamiento para|remedios caseros|médico|gratis|causas de|top 10|comprar",
    "fr": "meilleur|pas cher|en ligne|près de chez moi|2024|prix|avis|clinique|traitement pour|remèdes maison|médecin|gratuit|causes de|top 10|acheter",
    "ar": "أفضل|رخيص|أونلاين|بالقرب مني|2024|سعر|آراء|عيادة|علاج|وصفات منزلية|طبيب|مجانا|أسباب|أفضل 10|شراء",
    "hi": "सबसे अच्छा|सस्ता|ऑनलाइन|मेरे पास|2024|कीमत|समीक्षा|क्लिनिक|इलाज|घरेलू नुस्खे|डॉक्टर|मुफ्त|कारण|टॉप 10|खरीदें",
    "zh": "最好的|便宜|在线|附近|2024|价格|评价|诊所|治疗方法|偏方|医生|免费|原因|十大|购买",
}
MENUS = {
    "en": "Home|About us|Our services|Contact|Log in|Register|Privacy policy|Terms of use|Find a doctor|Book an appointment|Patients and visitors|News|Careers|Site map|Cookie settings|Share on Facebook|Print this page|Read more|Back to top|Subscribe to our newsletter|Health A-Z|Departments|English|Search|View all|Next page|© 2024 All rights reserved",
    "es": "Inicio|Quiénes somos|Nuestros servicios|Contacto|Iniciar sesión|Registrarse|Política de privacidad|Aviso legal|Encuentre un médico|Pedir cita|Pacientes y visitantes|Noticias|Trabaje con nosotros|Mapa del sitio|Configuración de cookies|Compartir en Facebook|Imprimir esta página|Leer más|Volver arriba|Suscríbase al boletín|Salud de la A a la Z|Departamentos|Español|Buscar|Ver todo|Página siguiente|© 2024 Todos los derechos reservados",
    "fr": "Accueil|Qui sommes-nous|Nos services|Contact|Se connecter|S'inscrire|Politique de confidentialité|Mentions légales|Trouver un médecin|Prendre rendez-vous|Patients et visiteurs|Actualités|Nous rejoindre|Plan du site|Gestion des cookies|Partager sur Facebook|Imprimer cette page|Lire la suite|Haut de page|S'abonner à la lettre|La santé de A à Z|Services et unités|Français|Rechercher|Tout voir|Page suivante|© 2024 Tous droits réservés",
    "ar": "الرئيسية|من نحن|خدماتنا|اتصل بنا|تسجيل الدخول|إنشاء حساب|سياسة الخصوصية|شروط الاستخدام|ابحث عن طبيب|احجز موعدا|المرضى والزوار|الأخبار|الوظائف|خريطة الموقع|إعدادات ملفات الارتباط|شارك على فيسبوك|اطبع هذه الصفحة|اقرأ المزيد|العودة إلى الأعلى|اشترك في النشرة|الصحة من الألف إلى الياء|الأقسام|العربية|بحث|عرض الكل|الصفحة التالية|© 2024 جميع الحقوق محفوظة",
    "hi": "मुखपृष्ठ|हमारे बारे में|हमारी सेवाएँ|संपर्क करें|लॉग इन|पंजीकरण करें|गोपनीयता नीति|उपयोग की शर्तें|डॉक्टर खोजें|अपॉइंटमेंट लें|मरीज और आगंतुक|समाचार|नौकरियाँ|साइट का नक्शा|कुकी सेटिंग|फेसबुक पर साझा करें|यह पृष्ठ छापें|और पढ़ें|ऊपर जाएँ|न्यूज़लेटर लें|स्वास्थ्य अ से ज्ञ|विभाग|हिन्दी|खोजें|सभी देखें|अगला पृष्ठ|© 2024 सर्वाधिकार सुरक्षित",
    "zh": "首页|关于我们|我们的服务|联系我们|登录|注册|隐私政策|使用条款|查找医生|预约挂号|患者与访客|新闻中心|加入我们|网站地图|Cookie设置|分享到微博|打印本页|阅读更多|返回顶部|订阅邮件|健康百科|科室导航|简体中文|搜索|查看全部|下一页|版权所有 © 2024",
}
SENTENCES = {
    "en": "The patient was admitted with fever and a dry cough that had lasted for four days.|Wash your hands before you change the dressing, and call us if the wound becomes red.|Most people with this condition can lead a normal life if they take their tablets every day.|Blood pressure should be measured in both arms at the first visit.|In this study we compared two doses of the drug in adults with chronic kidney disease.|Do not stop the treatment without asking your doctor, even if you feel better.|The scan showed a small lesion in the left lobe of the liver, which was later removed.|Children under five years are more likely to be dehydrated than older ones.",
    "es": "El paciente ingresó con fiebre y tos seca de cuatro días de evolución.|Lávese las manos antes de cambiar el vendaje y llámenos si la herida se enrojece.|La mayoría de las personas con esta enfermedad pueden llevar una vida normal si toman sus pastillas todos los días.|La presión arterial debe medirse en ambos brazos en la primera visita.|En este estudio comparamos dos dosis del fármaco en adultos con enfermedad renal crónica.|No interrumpa el tratamiento sin consultar a su médico, aunque se encuentre mejor.|La ecografía mostró una pequeña lesión en el lóbulo izquierdo del hígado, que después se extirpó.|Los niños menores de cinco años se deshidratan con más facilidad que los mayores.",
    "fr": "Le patient a été hospitalisé pour une fièvre et une toux sèche évoluant depuis quatre jours.|Lavez-vous les mains avant de changer le pansement et appelez-nous si la plaie devient rouge.|La plupart des personnes atteintes de cette maladie mènent une vie normale si elles prennent leurs comprimés tous les jours.|La pression artérielle doit être mesurée aux deux bras lors de la première visite.|Dans cette étude, nous avons comparé deux doses du médicament chez des adultes souffrant d'insuffisance rénale.|N'arrêtez pas le traitement sans l'avis de votre médecin, même si vous vous sentez mieux.|L'échographie a montré une petite lésion du lobe gauche du foie, qui a ensuite été retirée.|Les enfants de moins de cinq ans se déshydratent plus vite que les plus grands.",
    "ar": "أدخل المريض إلى المستشفى بسبب حمى وسعال جاف استمرا أربعة أيام.|اغسل يديك قبل تغيير الضمادة، واتصل بنا إذا احمر الجرح.|يستطيع معظم المصابين بهذا المرض أن يعيشوا حياة طبيعية إذا تناولوا أقراصهم كل يوم.|يجب قياس ضغط الدم في الذراعين كلتيهما عند الزيارة الأولى.|قارنا في هذه الدراسة بين جرعتين من الدواء لدى بالغين مصابين بمرض الكلى المزمن.|لا توقف العلاج دون أن تسأل طبيبك، حتى لو شعرت بتحسن.|أظهر التصوير آفة صغيرة في الفص الأيسر من الكبد، وقد أزيلت بعد ذلك.|الأطفال دون سن الخامسة أكثر عرضة للجفاف من غيرهم.",
    "hi": "मरीज को चार दिन से बुखार और सूखी खाँसी होने पर भर्ती किया गया।|पट्टी बदलने से पहले हाथ धोएँ और घाव लाल हो जाए तो हमें फोन करें।|इस रोग के अधिकतर लोग रोज अपनी गोलियाँ लेकर सामान्य जीवन जी सकते हैं।|पहली बार आने पर दोनों बाँहों में रक्तचाप नापा जाना चाहिए।|इस अध्ययन में हमने गुर्दे के पुराने रोग वाले वयस्कों में दवा की दो खुराकों की तुलना की।|अच्छा महसूस होने पर भी अपने डॉक्टर से पूछे बिना इलाज बंद न करें।|जाँच में यकृत के बाएँ भाग में एक छोटा घाव दिखा, जिसे बाद में निकाल दिया गया।|पाँच वर्ष से कम उम्र के बच्चों में पानी की कमी जल्दी हो जाती है।",
    "zh": "患者因发热和干咳四天入院。|换药之前请先洗手，如果伤口发红，请给我们打电话。|大多数患者只要每天按时服药，就可以过正常的生活。|第一次就诊时应当测量两侧上臂的血压。|在这项研究中，我们比较了两种剂量的药物对慢性肾病成人的疗效。|即使感觉好转，也不要在没有问过医生的情况下停药。|检查发现肝左叶有一个小病灶，后来被切除了。|五岁以下的儿童比年龄大的孩子更容易脱水。",
}
LETTERS = {
    "en": "abcdefghijklmnopqrstuvwxyz", "es": "abcdefghijlmnñopqrstuvxyzáéíóú", "fr": "abcdefghijlmnopqrstuvxyzéèàêçô",
    "ar": "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىأإ", "hi": "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौं",
    "zh": bytes(byte for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF) for byte in (high, low)).decode("gb2312"),
}  # fmt: skip
LANGUAGES = tuple(LETTERS)
_STOP = {"zh": "。", "hi": "।"}

Maker = Callable[[random.Random, str, int], str]


def _listed(table: dict[str, str], lang: str) -> list[str]:
    return table[lang].split("|")


def _gap(lang: str) -> str:
    return "" if lang == "zh" else " "


def _size(text: str, lang: str) -> int:
    return len(text.replace(" ", "")) if lang == "zh" else len(text.split())


def _until(rng: random.Random, lang: str, tokens: int, piece: Callable[[], str], gap: str) -> str:
    pieces: list[str] = []
    held = 0
    while held < tokens:
        pieces.append(piece())
        held += max(1, _size(pieces[-1], lang))
    return gap.join(pieces)


def _prose(rng: random.Random, lang: str, tokens: int) -> str:
    """Sentences, then the same with their words shuffled, so that nothing is refused for its repetitions."""
    sentences = _listed(SENTENCES, lang)
    rng.shuffle(sentences)

    def sentence() -> str:
        if sentences:
            return sentences.pop()
        stop = _STOP.get(lang, ".")
        text = rng.choice(_listed(SENTENCES, lang)).rstrip(stop)
        words = [text[at : at + 2] for at in range(0, len(text), 2)] if lang == "zh" else text.split()
        rng.shuffle(words)
        return _gap(lang).join(words) + stop

    return _until(rng, lang, tokens, sentence, _gap(lang))


def navigation(rng: random.Random, lang: str, tokens: int) -> str:
    entries = _listed(MENUS, lang) + [term.capitalize() for term in _listed(TERMS, lang)]
    gap = rng.choice(["\n", "\n", " | ", " > ", "\n• ", "\n- ", " · ", " "])
    links = rng.random() < 0.3

    def entry() -> str:
        text = rng.choice(entries)
        return f"{text} https://www.example.org/{rng.randrange(10**5)}/{rng.choice('abcdef')}" if links else text

    return _until(rng, lang, tokens, entry, gap)


def keywords(rng: random.Random, lang: str, tokens: int) -> str:
    terms, modifiers = _listed(TERMS, lang), _listed(MODIFIERS, lang)
    gap = rng.choice([", ", " ", "\n", "; ", " | ", "、" if lang == "zh" else ", "])

    def phrase() -> str:
        parts = [rng.choice(terms), *rng.sample(modifiers, rng.randrange(3))]
        rng.shuffle(parts)
        return _gap(lang).join(parts) if rng.random() < 0.8 else "#" + parts[0].replace(" ", "")

    return _until(rng, lang, tokens, phrase, gap)


def repeated_lines(rng: random.Random, lang: str, tokens: int) -> str:
    sentences = _listed(SENTENCES, lang)
    rng.shuffle(sentences)
    if rng.random() < 0.5:  # a few lines again and again
        lines = sentences[: rng.randint(1, 4)]
        copies = max(3, round(tokens / sum(_size(line, lang) for line in lines)))
        return "\n".join([*sentences[4:6], *lines * copies])
    block = "\n".join(sentences[: rng.randint(2, 5)])
    gap = "\n\n" + (rng.choice(_listed(MENUS, lang)) + "\n" if rng.random() < 0.5 else "")
    return gap.join([block] * max(3, round(tokens / _size(block, lang))))


def loops(rng: random.Random, lang: str, tokens: int) -> str:
    sentence = rng.choice(_listed(SENTENCES, lang))
    units = list(sentence.rstrip(".。।")) if lang == "zh" else sentence.rstrip(".।").split()
    length = min(len(units), rng.randint(2, 9))
    start = rng.randrange(len(units) - length + 1)
    phrase = _gap(lang).join(units[start : start + length])
    opening = _prose(rng, lang, tokens // 5)
    gap = rng.choice([_gap(lang), ("，" if lang == "zh" else ", "), _STOP.get(lang, ".") + _gap(lang)])
    return opening + _gap(lang) + gap.join([phrase] * max(5, round(0.8 * tokens / length)))


def gibberish(rng: random.Random, lang: str, tokens: int) -> str:
    letters = LETTERS[lang]
    if lang == "zh" and rng.random() < 0.5:
        letters = "".join(map(chr, range(0x4E00, 0x9FA5)))
    common = rng.sample(
        letters, min(len(letters), rng.choice([12, 20, 1000]))
    )  # mashed keys come from one part of the board

    def sentence() -> str:
        many = rng.randint(6, 18)
        if lang == "zh":
            return "".join(rng.choices(common, k=many)) + rng.choice("，。。")
        words = ["".join(rng.choices(common, k=rng.randint(2, 10))) for _ in range(many)]
        return " ".join(words).capitalize() + _STOP.get(lang, ".")

    return _until(rng, lang, tokens, sentence, _gap(lang))


def tables(rng: random.Random, lang: str, tokens: int) -> str:
    terms = _listed(TERMS, lang)
    form = rng.choice(["numbers", "prices", "log"])

    def number() -> str:
        return rng.choice(
            [f"{rng.random() * 100:.1f}", str(rng.randrange(2000)), f"{rng.random():.3f}", f"{rng.randrange(100)}%"]
        )

    def row() -> str:
        if form == "numbers":
            return rng.choice(terms) + rng.choice(["  ", " | ", "; "]).join(
                ["", *(number() for _ in range(rng.randint(4, 9)))]
            )
        if form == "prices":
            return f"{rng.choice(terms)} {rng.choice([5, 10, 50, 500])} mg x{rng.choice([10, 20, 30])} ..... {rng.random() * 90:.2f} {rng.choice('€$¥')}"
        return f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02},{rng.randrange(1000):03} {rng.choice(['INFO', 'WARN', 'DEBUG'])} [worker-{rng.randrange(16)}] {rng.choice(terms)} id={rng.randrange(10**6)} {rng.randrange(900)}ms"

    return _until(rng, lang, tokens, row, "\n")


def code(rng: random.Random, lang: str, tokens: int) -> str:
    terms = _listed(TERMS, lang)
    form = rng.choice(["json", "xml", "script", "base64", "css"])

    def record() -> dict[str, object]:
        tags = rng.sample(terms, 3)
        return {"id": rng.randrange(10**6), "title": rng.choice(terms), "tags": tags, "active": rng.random() < 0.5, "url": f"/node/{rng.randrange(9999)}"}  # fmt: skip

    def piece() -> str:
        if form == "json":
            return json.dumps(record(), ensure_ascii=False, indent=rng.choice([None, 2]))
        if form == "xml":
            return f'<record id="{rng.randrange(9999)}"><field name="dc_title" lang="{lang}">{rng.choice(terms)}</field><value type="int">{rng.randrange(99)}</value></record>'
        if form == "script":
            name = rng.choice(["getItem", "render_list", "updateCart", "on_click"])
            return f"function {name}_{rng.randrange(99)}(el, i) {{\n  // {rng.choice(terms)}\n  var x = document.querySelector('#{name}');\n  if (x !== null && i > {rng.randrange(9)}) {{ x.innerHTML = \"{rng.choice(terms)}\"; }}\n  return x[i];\n}}"
        if form == "css":
            return f".item-{rng.randrange(99)} > li:hover {{ margin: 0 {rng.randrange(20)}px; color: #{rng.randrange(16**6):06x}; display: block; }} /* {rng.choice(terms)} */"
        return base64.b64encode(rng.randbytes(57)).decode()

    return _until(rng, lang, tokens if form != "base64" else max(5, tokens // 20), piece, "\n")


def wrecked(rng: random.Random, lang: str, tokens: int) -> str:
    """Damage that no repair can undo: bytes or glyphs are lost."""
    text = _prose(rng, lang, tokens)
    form = rng.choice(_DAMAGE[lang])
    rate = rng.uniform(0.06, 0.4)
    if form == "question":
        return text.encode("ascii", "replace").decode()
    if form == "replaced":
        return text.encode().decode("ascii", "replace")
    if form == "cyrillic":
        return text.encode().decode("cp1251", "ignore")
    if form == "latin":
        return text.encode().decode("cp1252", "ignore").replace("\xa0", " ")
    if form == "gbk":
        return text.encode().decode("gb18030", "ignore")
    if form == "spaced":
        return " ".join(text.replace(" ", ""))
    swaps: dict[str, Callable[[str], str]] = {
        "private": lambda letter: chr(0xF000 + ord(letter) % 256),
        "lost": lambda letter: "\ufffd",
        "lookalike": lambda letter: chr(rng.randint(0x430, 0x44F)),
        "neighbour": lambda letter: chr(ord(letter) + 0x80) if lang == "hi" else chr(rng.randint(0x5D0, 0x5EA)),
        "hangul": lambda letter: chr(rng.randint(0xAC00, 0xD7A3)),
    }
    return "".join(swaps[form](letter) if letter.isalpha() and rng.random() < rate else letter for letter in text)


_DAMAGE = {
    "en": ["private", "lost", "lookalike", "spaced"],
    "es": ["private", "lost", "lookalike", "spaced", "question", "replaced", "cyrillic"],
    "fr": ["private", "lost", "lookalike", "spaced", "question", "replaced", "cyrillic"],
    "ar": ["private", "lost", "neighbour", "spaced", "question", "replaced", "cyrillic", "latin"],
    "hi": ["private", "lost", "neighbour", "spaced", "question", "replaced", "cyrillic", "latin"],
    "zh": ["private", "lost", "hangul", "question", "replaced", "cyrillic", "latin", "gbk"],
}

JUNK: dict[str, Maker] = {
    "navigation": navigation, "keywords": keywords, "repeated lines": repeated_lines, "loops": loops,
    "gibberish": gibberish, "tables": tables, "code": code, "wrecked encoding": wrecked,
}  # fmt: skip


def junk(kind: str, lang: str, number: int, seed: int) -> list[str]:
    """`number` texts of about 50 to 600 tokens (a Han character is one), the same for the same arguments."""
    rng = random.Random(f"{kind} {lang} {seed}")
    return [JUNK[kind](rng, lang, round(50 * 12 ** rng.random())) for _ in range(number)]
