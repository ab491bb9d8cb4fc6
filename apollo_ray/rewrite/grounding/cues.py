"""Words that turn a statement round, in six languages: negations, and pairs of opposites."""

NEGATIONS = {
    "en": "no not without never none neither nor cannot can't don't doesn't didn't isn't wasn't aren't weren't won't hasn't haven't "
    "hadn't couldn't shouldn't nothing nobody absence absent lack lacked lacking denied denies undetectable "
    "undetected free failed unable ruled unlikely fail fails refused excluded",
    "es": "no sin nunca ni ningún ninguna ninguno ningun tampoco jamás nada nadie ausencia ausente ausentes "
    "niega negaba negó descartó descartada descartado descartar exento carece salvo indetectable imposible",
    "fr": "pas sans aucun aucune jamais ni non nul nulle rien absence absent absente absents absentes "
    "indétectable exclu exclue éliminé éliminer dépourvu impossible indemne",
    "hi": "नहीं नही न ना बिना मत गैर रहित अभाव बगैर बग़ैर असमर्थ अनुपस्थित इनकार नाकाम विफल",
    "ar": "لا لم لن ليس ليست ليسوا دون بدون غير عدم بلا ولا ولم فلا فلم ولن وليس انعدام غياب ينفي نفى لايوجد يستحيل",
    "zh": "不 没 無 无 未 非 勿 莫 否 别",
}
"""Of one word each (of one character in Chinese)."""

MAY_DENY = {
    "en": "afebrile unremarkable unchanged unaffected unsuccessful missing miss misses missed lack lacks wanting absence without instead rather outside unless until barely scarcely seldom least minimal lost loss spared unable failure fails fail ruled ban banned bans forbid forbidden forbids prohibited prohibits against withheld omitted omit disappeared disappear vanished vanish ended cleared subsided settled healed recovered cure cured stable intact unknown unclear uncertain declined decline declines avoid avoided avoids stopped stop ceased resolved gone negative only except instead rare rarely hardly unlikely less uncommon little few beyond cannot refuse nor excluding exempt stay forgo",
    "es": "afebril falta faltan faltaba faltaban faltar falte carece carecen carecía ausencia ausencias hasta menos mínimo mínima perdió pérdida prohíbe prohíben prohibió prohibido prohibida prohibidos impide impiden impidió impedir libre libres exento exenta fuera tampoco desconoce desconocía desconocido desconocida ignora ignoraba indoloro indolora estable fracasó fracaso falló fallo desaparecieron desaparecido desaparecer remitió remitieron rechaza rechazan rechazar rehusó abandonó suspendió suspendieron impensable evitó evitaron evite evitan excluye excluyó exento dejaron dejado deja negativo negativa negativos negativas dejó dejar cesó desapareció evitar evita salvo poco raro rara solo sólo apenas normal normales contraindicado resolvió rechazó",
    "fr": "apyrétique manque manquent manquait manquaient manquant absence jusqu moins minime perdu perte interdit interdite interdits interdisent interdire empêche empêchent empêcher empêché libre libres hors indemne indemnes ignore ignorait inconnu inconnue inconnus indolore stable stables échec échoué disparue disparus disparues résolu résolue refus refuse refusent refusait abandonné abandon suspendu suspendue arrêté arrêtée cesse cesser défaut faute dépourvue evite évitent évitait éviter exclut exclu exclue exempt exempte ne n plus cessé disparu dépourvu éviter évite inutile négatif négative négatifs négatives sauf peu rare rarement interdit disparition arrêt déconseillé contre-indiqué seulement seul refusé normal normale normaux seule seules uniquement hormis",
    "hi": "अनुपस्थित अनुपस्थिति कमी सामान्य स्थिर असफल विफल नाकाम टाल टालना टालें परहेज़ परहेज वंचित गायब ग़ायब ख़ाली खाली समाप्त ख़त्म खत्म छोड़ छोड़कर छोड़ना अज्ञात अस्पष्ट अनजान वर्जित निषिद्ध प्रतिबंध प्रतिबंधित पाबंदी मनाही बाहर बजाय सिवाय अलावा रोकना रोकने रोकता रोकती रुक बिन कम रोक बच बचें बचना मना केवल सिर्फ़ सिर्फ दुर्लभ इंकार इनकार बंद नकारात्मक मुक्त",
    "ar": "يتجنب تجنبوا تفادي يفتقر تفتقر افتقار نقص انعدم ينعدم خلا خلت تخلو يخلو سليم سليمة طبيعي طبيعية مستقر مستقرة زال زالت اختفى اختفت يختفي تختفي ممنوع ممنوعة يمنع تمنع منع حظر حظرت يحظر محظور مجهول مجهولة غامض فشل فشلت يفشل عجز عجزت يعجز الغى الغت الغيت الغاء بدلا عوضا استثناء باستثناء عدا خارج كف كفت انقطع انقطعت استبعد استبعدت استبعاد مستبعد فقد فقدان ضئيل طفيف بالكاد قلما ما لولا تجنب خال خالية خاليا سوى إلا فقط نادر نادرا قليل قليلة أقل امتنع توقف سلبي سلبية رفض يصعب يتعذر تعذر",
    "zh": "少 忌 避 禁 停 拒 免 仅 只 罕 难 阴 缺 失 除 防 阻 消 败 戒",
}
"""Words by which an answer may tell what the passage denies: "declined" for "did not accept", "rare" for "not common"."""


IMPLIED = {
    "en": "afebrile=fever asymptomatic=symptoms symptomless=symptoms painless=pain normal=abnormal,abnormality unremarkable=abnormal,abnormality "
    "unaware=aware unvaccinated=vaccinated untreated=treated impossible=possible unknown=known unclear=clear uncommon=common intolerable=tolerable "
    "unhealthy=healthy ineffective=effective inactive=active non-smoker=smoke conscious=unconscious healthy=disease",
    "es": "afebril=fiebre apirético=fiebre asintomático=síntomas asintomática=síntomas indoloro=dolor normal=alteración,anormal,anomalía,lesión normales=alteración,anormal,anomalía,lesión "
    "imposible=posible desconocido=conocido desconocida=conocida ineficaz=eficaz insuficiente=suficiente insuficientes=suficientes alterado=normal alterada=normal alterados=normal alteradas=normal patológico=normal",
    "fr": "apyrétique=fièvre asymptomatique=symptômes indolore=douleur normal=anomalie,anormal,lésion normale=anomalie,anormal,lésion normales=anomalie,anormal,lésion normaux=anomalie,anormal,lésion saines=malades sain=malade sains=malades saine=malade "
    "impossible=possible inconnu=connu inconnue=connue inefficace=efficace insuffisant=suffisant interdit=autorisé interdite=autorisée inutile=nécessaire",
    "hi": "असामान्य=सामान्य असंभव=संभव अज्ञात=ज्ञात अप्रभावी=प्रभावी स्पर्शोन्मुख=लक्षण अपर्याप्त=पर्याप्त असुरक्षित=सुरक्षित अस्पष्ट=स्पष्ट",
    "ar": "مستحيل=ممكن مجهول=معروف",
    "zh": "",
}
"""Words that hold a negation: word -> what it denies."""


HINTS = {
    "en": "persistent persisted persisting persists persist despite remain remained remains prevent prevents prevented preventing block blocks blocked inhibit "
    "inhibits inhibited lacks insufficient inadequate insufficiently abnormal abnormality abnormalities unresponsive refractory resistant resistance discontinue discontinued "
    "discontinuation withheld suspended exclude excludes excluding rejected reject ban banned prohibit prohibited forbidden contraindicated restricted limited "
    "normal stable intact spared loss lost losing missing pending awaiting yet remission disappeared disappearance resolution resolve resolves recovered cured "
    "against opposed disagree doubt doubtful questionable controversial debated difficult hard unaware asymptomatic harmless painless seldom off lost dead died ends ended "
    "absence instead rather ineffective inactive incomplete independent regardless irrespective",
    "es": "exenta exentas exentos anuria suspende suspendió suspendida suspendido suspender suspendiéndose suspendieron persiste persistía persistente persistentes persistió persistencia pese pesar "
    "impide impiden impedir prevenir previene bloquea inhibe carece carecen insuficiente insuficientes anormal anómalo refractario refractaria resistente resistentes "
    "interrumpió interrumpe retiró retirada excluyendo excluye excluyó rechaza prohibido prohibida contraindicada limitado limitada conservado conservada conservados conservadas "
    "libre libres ausencias pérdida perdió falta faltan pendiente desaparición desaparecido remisión resolución resuelto estable asintomático asintomática indoloro indolora "
    "difícil dificultad abandono abandonado contrario ineficaz incompleta incompleto independientemente",
    "fr": "persistant persistante persiste persistait persistance malgré empêche empêchent empêcher prévenir bloque inhibe manque manquait insuffisant insuffisante insuffisants anormal anormale "
    "réfractaire résistant résistante résistance interrompu interrompue arrêté arrêtée suspendu exclure exclut écarté écartée rejeté refus refuse interdit interdits "
    "limité conservé conservée conservés libre libres perte perdu attente disparaît disparue rémission résolution stable asymptomatique indolore difficile "
    "difficulté abandon abandonné inefficace incomplet incomplète indépendamment déconseillée déconseillés évitez",
    "hi": "हानिरहित अस्वीकार अस्वीकृत रोककर रोकती रोकता रोकते रोकने रोका कमी कम नष्ट समाप्त ख़त्म खत्म जारी असामान्य अपर्याप्त मना निषेध प्रतिबंध प्रतिबंधित वर्जित छोड़कर छोड़ दूर विरोध खारिज ख़ारिज "
    "लक्षणहीन स्पर्शोन्मुख अप्रभावी कठिन मुश्किल अधूरा लंबित प्रतीक्षा अज्ञात अस्पष्ट वंचित ग़ायब गायब हानि मृत्यु मृत",
    "ar": "بعدم لعدم وعدم تمنع يمنع منع لمنع وقاية انتظار بانتظار تفتقر يفتقر افتقار استبعاد استبعد استبعدت يستبعد اقتصر اقتصرت يقتصر تقتصر منقسما تقل يقل ادنى نقص ناقص غيب غائب فقد فقدان خلو اختفى "
    "اختفت زال زالت ايقاف اوقف اوقفت علق علقت رغم بالرغم مستمر استمر استمرت يستمر حظر محظور ممنوع يحظر مرفوض صعب صعوبة فشل فشلت عجز يعجز مجهول مجهولة قلة معارضة",
    "zh": "异 缺 失 排 防 阻 消 仍 却 除 抗 败 亡 弱 低 降 减 慢 误",
}
"""Words by which a passage may tell what an answer denies: "persistent" for "did not go away"."""


EXCEPTIONS = {
    "en": "except save besides until till", "es": "salvo excepto sino hasta", "fr": "sauf excepté hormis jusqu", "hi": "सिवाय अलावा जब", "ar": "سوى إلا حتى", "zh": "除",
}  # fmt: skip
"""In one clause with a negation they leave something affirmed: "nothing except", "not until"."""

CONJUNCTIONS = {
    "en": "and but whereas while although however though",
    "es": "y e pero aunque mientras sino",
    "fr": "et mais tandis alors quoique",
    "hi": "और लेकिन मगर परंतु जबकि किंतु",
    "ar": "ولكن لكن بينما اما",
    "zh": "",
}


NO_NEGATION = {
    "en": "with (?:and|or) without|without (?:and|or) with|no less than|no more than|not only|not less than|not more than|not longer than|no longer than|no later than|nothing but|not be (?:more|less|longer|higher|lower|older|later|fewer|greater) than|not (?:to )?exceed(?:ing|ed)?|never exceed(?:ing|ed)?|no fewer than|no other than|not until|without exceeding|not to mention|no doubt|whether or not|not necessarily|not just|not merely|if not|or not|why not",
    "es": "con (?:y|o) sin|sin (?:y|o) con|no solo|no sólo|no solamente|no únicamente|no obstante|no menos de|no más de|nada más|(?:no|sin) (?:\\w+ )?(?:superar?|supere|superen|exceder|exceda|excedan|sobrepasar|sobrepase|rebasar|rebase)|no hasta|si no|o no|no es que|no dejar de|sin embargo|sin duda|por no decir",
    "fr": "avec (?:et|ou) sans|sans (?:et|ou) avec|non seulement|pas seulement|pas uniquement|pas plus de|pas moins de|sans (?:dépasser|excéder)|(?:dépasse|dépasser|dépassent|excède|excéder) pas|pas (?:dépasser|excéder)|pas durer plus|pas être supérieure?|sans doute|ou non|ou pas|sinon",
    "hi": "में मत|मतों|नहीं हो जाता|नहीं हो जाती|नहीं हो जाते|न केवल|ही नहीं|नहीं तो|से (?:अधिक|ज़्यादा|ज्यादा|कम) (?:का |की |के )?(?:नहीं|न हो|न)|या नहीं|नहीं बल्कि|न सिर्फ़|न सिर्फ|न करने वाल\\S*|न होने वाल\\S*|जब तक|तब तक",
    "ar": "مع (?:أو )?و?(?:بدون|دون)|غير أنه|غير أنها|غير أن|لا بد|لم يقل|لم تقل|دون سن|دون ال|دون (?=[0-9٠-٩])|لا يقل عن|لا تقل عن|ما لا يقل|لا يزال|لا تزال|ليس فقط|[لم]ا زال\\w*|لا [يت]زال\\w*|لم [يت]زل\\w*|ما [يت]زال\\w*|أم لا|بلا شك|ليس إلا|لا شك|لا ي?ت?تعدى|لا ي?ت?تخطى|ولا سيما|لا بأس|دون أدنى|لا سيما|لا تقل|لا يقل|لا يتجاوز|لا تتجاوز|لا يزيد|لا تزيد",
}
"""Set phrases with a word of NEGATIONS that deny nothing; alternatives of a pattern."""

HAN_NO_NEGATION = (
    "无症状 没有症状 没什么症状 不若 不定期 约莫 不仅 不但 不过 不同 不断 不久 不论 不管 不少 不良 无论 非常 除非 是否 能否 特别 别的 分别 个别 性别 区别 级别 类别 辨别 识别 鉴别 告别 别人 不适 不安 非洲 "
    "不得不 无非 不止 不可避免 不等。 不等， 不等； 莫西林 莫罗 不[要能会宜得应可]?再?(?:超过|多于|少于|低于|高于|大于|小于) 不锈钢 不均匀 不孕 不育 不仅仅 不只 不止是 不约而同 不得已 不及时 不计 不管怎样 未必 无菌 无机 无线 无名 无创 没准 非典 非法 非常 非洲 非要 非得 勿论 不禁 不料 不妨 差不多 不由 不错 对不起 不一 未来 阴虚 阴道 阴部 会阴 阴茎 阴阳 滋阴 阴囊 不适宜"
)

STOP_WORDS = {
    "en": "the a an of in on at to for from by with and or but that this these those is are was were be been being has have had it its he she "
    "his her they their them as than then also which who whom whose when where while after before during into over under about any some all each "
    "other more most very may might can could will would should there here such only both between because due did does do so if up out off one two "
    "per still again even just however although though was patient patients case cases showed shown found",
    "es": "el la los las un una unos unas de del al en a ante con contra desde entre hacia hasta para por según sobre tras y e o u que se su sus lo le les "
    "es son era eran fue fueron ser sido está están estaba estaban ha han había habían haber como más pero también muy este esta estos estas ese esa "
    "cuando donde si ya me te nos cual quien dos paciente pacientes mostró presentaba presenta",
    "fr": "le la les un une des du de d l à au aux en dans par pour sur sous avec et ou mais que qui dont où ce cet cette ces son sa ses leur leurs il elle ils elles "
    "est sont était étaient été être a ont avait avaient avoir se s ne n y plus très aussi comme après avant pendant lors si on nous vous deux patient "
    "patiente patients cas été fait faite",
    "hi": "का की के को से में पर और या कि यह वह ये वे है हैं था थी थे हो होता होती होते हुआ हुई हुए कर करने करता करती करते किया किए की गया गई गए जा जाता जाती जाते भी ही तो ने एक इस उस इन उन "
    "अपने लिए साथ तक बाद पहले जो जिस जिसमें जब लेकिन मगर परंतु क्योंकि सकता सकती सकते रहा रही रहे कुछ कोई लोग लोगों रोगी मरीज़ मरीज",
    "ar": "في من على إلى عن مع أن إن أو ثم هو هي هم هذا هذه ذلك تلك التي الذي الذين كان كانت يكون تكون احد أحد أحدا شيء شيئا سواء قد وقد بعد قبل عند خلال بين حتى كما كل أي بعض ما "
    "لدى له لها لهم به بها فيه فيها منها منه عليه عليها إذا أما لكن ولكن غير أيضا وهو وهي وكان وكانت المريض المرضى مريض",
    "zh": "",
}

# Each line: one pole | the other, a star for any ending. Only pairs that a paraphrase does not turn round: "A is higher than
# B" may be told as "B is lower than A", and is then true.
OPPOSITES = {
    "en": """
        positive seropositive | negative seronegative
        left | right
        bilateral* | unilateral*
        acute* | chronic*
        malignant | benign
        maximum maximal | minimum minimal""",
    "es": """
        positiv* | negativ*
        izquierd* | derech*
        bilateral* | unilateral*
        agud* | crónic*
        malign* | benign*
        máxim* | mínim*""",
    "fr": """
        positif positive positifs positives | négatif négative négatifs négatives
        gauche gauches | droit droite droits droites
        bilatéral* | unilatéral*
        aigu* | chronique*
        malin maligne* | bénin bénign*
        maxim* | minim*""",
    "hi": """
        सकारात्मक पॉज़िटिव पॉजिटिव | नकारात्मक निगेटिव नेगेटिव
        बाएँ बायाँ बाईं बाएं | दाएँ दायाँ दाईं दाएं
        अधिकतम | न्यूनतम""",
    "ar": """
        إيجابي* موجب* | سلبي* سالب*
        اليسرى الأيسر يسار | اليمنى الأيمن يمين
        الأقصى | الأدنى""",
    "zh": """
        阳性 | 阴性
        左侧 左肺 左眼 左手 左脚 | 右侧 右肺 右眼 右手 右脚
        急性 | 慢性
        恶性 | 良性
        最高 最大 | 最低 最小
        好转 改善 | 恶化""",
}

# Groups of people: where the passage knows one of a line and the answer another, the answer is about others.
POPULATIONS = {
    "en": "man men male males boy boys husband father gentleman mr lad | woman women female females girl girls wife mother pregnant lady ladies ms mrs",
    "es": "hombre hombres varón varones masculino marido padre señor | mujer mujeres femenino femenina embarazada embarazadas gestante esposa madre señora mujer niña niñas chica",
    "fr": "homme hommes garçon garçons masculin mari père | femme femmes fille filles féminin féminine patiente patientes enceinte parturiente épouse mère dame dames fillette",
    "hi": "पुरुष पुरुषों लड़का लड़के लड़कों पति पिता | महिला महिलाओं महिलाएँ महिलाएं स्त्री औरत लड़की लड़कियों गर्भवती पत्नी माता माँ मां बच्ची नारी",
    "ar": "رجل رجال الرجال ذكر ذكور الذكور الرجل رجلا فتى صبي | سيدة سيدات السيدة فتاة فتيات امرأة نساء النساء إناث الإناث أنثى المرأة حامل حوامل الحوامل",
    "zh": "男性 男人 男子 男孩 丈夫 父亲 先生 | 女性 女人 女子 女孩 妇女 孕妇 妻子 母亲 女士 产妇",
}
