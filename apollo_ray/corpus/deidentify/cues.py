"""The words that announce personal data, per language.

A cue is written as it stands before its value. Its first character may say how strict it is: ":" wants a colon
after it, "^" wants a colon and that the cue opens its line or clause ("Name:" but not "Brand name:"); without a mark
the value may follow at once ("MRN 00482917"). Case and diacritics do not count.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

from apollo_ray.records import LANGUAGES

CUES: dict[str, dict[str, str]] = {
    "en": {
        "NAME": "patient name|pt name|:resident|:intern|:dictating physician|patient's name|name of patient|"
            "full name|first name|last name|given name|surname|^name|"
        "family name|maiden name|mother's name|father's name|attending physician|:physician|:surgeon|:consultant|"
        ":assistant|:anesthetist|:anaesthetist|next of kin|emergency contact|:caregiver|:guardian|referring doctor|"
        "referring physician|:radiologist|:pathologist|:provider|:attending|signed by|dictated by|reported by|"
        ":insured|policy holder|:gp|primary care physician|:interpreter|:informant|:spouse|:dictator|reviewed by",
        "NAME_WEAK": "^patient|^doctor|^nurse|:mother|:father|:husband|:wife|:son|:daughter|:author",
        "ADDRESS": "home address|:address|postal address|:residence|zip code|zip|:postcode|:postal code|:city|:town|"
        ":street|:room|:bed|:ward/bed|room no|bed no|:lives at",
        "DATE": "date of birth|:birth date|:birthdate|:dob|d.o.b|:born|date of admission|:admission date|:admitted|"
        "date of discharge|:discharge date|:discharged|:date|:date of visit|visit date|date of service|date of death|"
        "date of procedure|date of surgery|:collected|:received|:reported|:dictated|appointment date",
        "PHONE": "phone|telephone|tel|mobile|cell|fax|call|pager|phone number|contact number|my number|whatsapp|"
            "reach me",
        "RECORD": "mrn|medical record number|medical record no|medical record|hospital no|hospital number|record no|"
        "record number|patient id|patient no|patient number|uhid|:case number|case no|accession no|accession number|"
        "member id|member no|policy number|policy no|insurance id|insurance number|account number|chart number|"
        "chart no|device serial number|serial number|serial no|specimen no|encounter number|visit number|file no|"
        "file number|npi|dea number|license no|license number|unit number|medical record #|episode number",
        "ID": "ssn|social security number|social security no|social security|nhs number|nhs no|aadhaar|aadhaar number|"
        "aadhar|pan|pan card|pan number|passport|passport number|passport no|national id|national insurance number",
        "PLATE": "license plate|licence plate|number plate|driver's license|driver's licence|driving licence|"
        "driver license|vehicle registration|vin|registration plate",
        "CARD": "credit card|debit card|card number|visa|mastercard",
        "HANDLE": ":wechat|:skype|:telegram|:instagram|:twitter|:facebook|:username|:handle",
        "IP": "ip|ip address",
    },
    "es": {
        "NAME": "^nombre|nombre del paciente|nombre y apellidos|apellidos y nombre|nombre completo|:apellidos|"
            ":apellido|"
        ":medico|:medica|:cirujano|:cirujana|:facultativo|responsable clinico|remitido por|remite|:anestesista|"
        "medico responsable|medico tratante|:tutora|:tutor|:acompanante|persona de contacto|firmado por|firmado|"
        "atendido por|:familiar|:residente|:enfermera|:enfermero|:traumatologo|:pediatra|dictado por|:ayudante|"
        ":ginecologo|:matrona|informado por|realizado por|solicitado por",
        "NAME_WEAK": "^paciente|^doctor|^doctora|:madre|:padre|:esposa|:marido|:hijo|:hija|:autor|:hija de la paciente",
        "ADDRESS": ":domicilio|:direccion|:localidad/ provincia|:localidad/provincia|:localidad|:provincia|:municipio|"
        ":ciudad|:poblacion|:cp|:c.p|codigo postal|:calle|:residencia|:habitacion|:cama|la cama|la habitacion",
        "DATE": "fecha de nacimiento|f. nacimiento|fecha nacimiento|:nacido|:nacida|fecha de ingreso|fecha ingreso|"
        "fecha de alta|fecha alta|:alta|:ingreso|:fecha|fecha de consulta|fecha de la consulta|fecha de intervencion|"
        "fecha de la intervencion|fecha del informe|fecha de exitus|fecha de defuncion|fecha de visita|fecha de "
        "cirugia",
        "PHONE": "telefono|tel|tfno|tlf|tlfno|movil|celular|fax|telefonos|mi numero|llamar|whatsapp",
        "RECORD": "nhc|n historia|no historia|no historia clinica|numero de historia|numero de historia clinica|"
        "historia clinica|historia clinica numero|historia clinica no|historia no|no de historia|nocol|no col|"
        "no colegiado|no de colegiado|colegiado|colegiada|num. col|:episodio|:cipa|:cip|expediente|numero de "
        "expediente|"
        "no expediente|numero de poliza|no de poliza|poliza|no afiliado|numero de afiliado|cip sns|tarjeta sanitaria|"
        "numero de serie|no serie|numero de paciente|id paciente|matricula profesional|:biopsia no|no registro",
        "ID": "dni|nie|nif|nass|nss|n.s.s|numero de la seguridad social|no seguridad social|seguridad social|curp|rut|"
        "cedula|cedula de ciudadania|cedula de identidad|pasaporte|no pasaporte|rfc|cuit|cuil|documento de identidad",
        "PLATE": "matricula|:placa|carnet de conducir|permiso de conducir|licencia de conducir",
        "CARD": "tarjeta|tarjeta de credito|tarjeta de debito|numero de tarjeta",
        "HANDLE": ":usuario|:instagram|:twitter|:facebook|:telegram",
        "IP": "ip|direccion ip",
    },
    "fr": {
        "NAME": "^nom|:interne|:externe|:sage-femme|:infirmiere|:infirmier|dicte par|nom du patient|nom de la "
            "patiente|nom et prenom|prenom et nom|nom, prenom|:prenom|nom de naissance|"
        "nom de jeune fille|nom d'usage|nom de famille|medecin traitant|:medecin|:chirurgien|:aide|:anesthesiste|"
        "personne a prevenir|personne de confiance|:expediteur|:destinataire|adresse par|signe par|:operateur|"
        "medecin referent|medecin responsable|:correspondant|redige par|valide par|:praticien|:radiologue|:tuteur",
        "NAME_WEAK": "^patient|^patiente|^docteur|^medecin|:mere|:pere|:epoux|:epouse|:fils|:fille|:conjoint",
        "ADDRESS": "^adresse|adresse du patient|:domicile|:code postal|code postal|:cp|:ville|:commune|:chambre|"
            ":lit|:rue|"
        "demeurant a|:residence",
        "DATE": "date de naissance|:ne le|:nee le|:ne(e) le|:ddn|:date|date d'admission|date d'entree|entree le|"
        "date de sortie|sortie le|:entree|:sortie|date de l'examen|date de consultation|date de l'intervention|"
        "date d'intervention|date de deces|date du compte rendu|date de prelevement|preleve le|date d'hospitalisation",
        "PHONE": "telephone|tel|portable|mobile|fax|telecopie|joindre au|appele du|mon numero|rappeler au|"
            "appeler le|gsm",
        "RECORD": "ipp|nip|n ipp|nda|iep|dossier n|dossier no|no dossier|n dossier|no de dossier|numero de dossier|"
        "n de dossier|numero d'assure|numero adherent|n adherent|no adherent|numero d'adherent|numero rpps|rpps|"
        "adeli|n adeli|numero patient|n patient|identifiant patient|numero de serie|numero de serie du pacemaker|"
        "n de serie|numero de sejour|no de sejour|no sejour|no d'examen|no patient|no adeli|no d'adherent|"
        "numero de police|n d'examen|numero d'examen|numero d'hospitalisation",
        "ID": "nir|n de securite sociale|no de securite sociale|numero de securite sociale|securite sociale|n ss|"
        "passeport|carte d'identite|numero national|no national|niss|cin|registre national",
        "PLATE": "immatricule|immatriculation|plaque|plaque d'immatriculation|permis de conduire",
        "CARD": "carte bancaire|carte de credit|carte bleue|numero de carte",
        "HANDLE": ":identifiant|:instagram|:twitter|:facebook|:pseudo",
        "IP": "ip|adresse ip",
    },
    "zh": {
        "NAME": ":姓名|:患者姓名|:病人姓名|:联系人|:联系人姓名|:主治医师|:主治医生|:经治医师|:住院医师|:主刀|"
            ":手术者|:术者|:助手|"
        ":麻醉医师|:麻醉师|:签名|:医师签名|:医生签名|:送检医生|:送检医师|:报告医师|:报告医生|:审核医师|"
        ":审核医生|:随访医师|:植入医师|"
        ":接诊医师|:接诊医生|:记录者|:记录人|:申请医生|:申请医师|:检查医师|:监护人|:家属|:家属姓名|:户主|"
        ":供史者|:病史陈述者|"
        ":母亲姓名|:父亲姓名|:转诊医院联系人|:责任护士|:管床医生|:上级医师|:医师|:医生姓名|:洗手护士|:巡回护士|"
        ":主任医师|:代诉人|"
        ":姓 名|:麻醉者|:第一助手|:执行医师|:会诊医师",
        "NAME_WEAK": "^患者|^病人|^医生|^患儿|:母亲|:父亲|:配偶",
        "ADDRESS": ":地址|:住址|:家庭住址|:现住址|:家庭地址|:户籍地址|:户口地址|:联系地址|:通讯地址|:邮编|"
            ":邮政编码|:床号|:床位|"
        ":病床号|:籍贯|:出生地|:病房|:房号|:居住地",
        "DATE": ":出生日期|:出生年月|:生日|:入院日期|:入院时间|:出院日期|:出院时间|:就诊日期|:就诊时间|"
            ":手术日期|:手术时间|:检查日期|"
        ":检查时间|:报告时间|:报告日期|:记录日期|:记录时间|:死亡日期|:死亡时间|:接收日期|:采样时间|:送检日期|"
        ":复诊日期|:植入日期|:日期|"
        ":病史采集日期|:末次月经|出生于|生于",
        "PHONE": "电话|联系电话|手机|手机号|手机号码|电话号码|联系方式|致电|传真|热线|拨打",
        "RECORD": "住院号|门诊号|病历号|病案号|就诊号|就诊卡号|登记号|检查号|标本号|影像号|医保卡号|医保号|"
            "社保号|社保卡号|序列号|病理号|"
        ":编号|x线号|ct号|超声号|住院号码|病例号|档案号|保单号|条码号|流水号",
        "ID": "身份证号|身份证号码|身份证|护照号|护照号码|证件号|证件号码|居民身份证",
        "PLATE": "车牌号|车牌|车牌号码|驾驶证号|驾照号",
        "CARD": "银行卡号|信用卡号|银行卡|信用卡|卡号",
        "HANDLE": ":微信号|:微信|微信号|qq|qq号|:微博|加微信",
        "IP": "ip|ip地址",
    },
    "hi": {
        "NAME": "रोगी का नाम|मरीज का नाम|मरीज़ का नाम|पिता का नाम|माता का नाम|पति का नाम|पत्नी का नाम|:पूरा नाम|^नाम|"
        ":चिकित्सक|:सर्जन|:हस्ताक्षर|आपातकालीन संपर्क|:अभिभावक|:परिचारक|रेफर करने वाले डॉक्टर|उपचार करने वाले डॉक्टर|"
        ":सहायक|:रेडियोलॉजिस्ट|:परामर्शदाता|चिकित्सक का नाम|डॉक्टर का नाम",
        "NAME_WEAK": "^रोगी|^मरीज|^डॉक्टर",
        "ADDRESS": ":पता|घर का पता|:निवासी|:पिन कोड|पिन कोड|:बेड नं|:बेड|बेड नं|बेड नंबर|वार्ड नं|वार्ड नंबर|:शहर|:जिला|"
            ":निवास|कमरा नंबर",
        "DATE": "जन्म तिथि|जन्मतिथि|जन्म की तारीख|जन्म दिनांक|भर्ती की तारीख|भर्ती तिथि|छुट्टी की तारीख|ऑपरेशन की तारीख|"
        "जांच की तारीख|:दिनांक|दिनांक|:तारीख|:तिथि|प्रवेश तिथि|मृत्यु की तारीख|:जन्म",
        "PHONE": "फोन|फ़ोन|मोबाइल|मोबाइल नंबर|मोबाइल नं|फोन नंबर|फ़ोन नंबर|संपर्क नंबर|मेरा नंबर|दूरभाष|कॉल|फैक्स|हेल्पलाइन",
        "RECORD": "रोगी संख्या|पंजीकरण संख्या|पंजीयन क्रमांक|पंजीकरण क्रमांक|पंजीकरण नंबर|ओपीडी नंबर|ओपीडी संख्या|आईपीडी नंबर|"
        "भर्ती संख्या|केस नंबर|:केस संख्या|एमआरडी नंबर|यूएचआईडी|पॉलिसी संख्या|बीमा पॉलिसी संख्या|बीमा संख्या|सीरियल नंबर|"
        "फाइल संख्या|फाइल नंबर|मरीज संख्या|क्रमांक संख्या|नमूना संख्या",
        "ID": "आधार|आधार संख्या|आधार नंबर|आधार कार्ड|पैन|पैन नंबर|पैन कार्ड|पासपोर्ट|पासपोर्ट संख्या|पासपोर्ट नंबर|मतदाता पहचान पत्र",
        "PLATE": "वाहन संख्या|वाहन नंबर|गाड़ी नंबर|गाड़ी संख्या|ड्राइविंग लाइसेंस",
        "CARD": "क्रेडिट कार्ड|डेबिट कार्ड|कार्ड नंबर|कार्ड संख्या",
        "HANDLE": ":इंस्टाग्राम|:ट्विटर|:फेसबुक",
        "IP": "आईपी|आईपी पता",
    },
    "ar": {
        "NAME": "اسم المريض|اسم المريضة|الاسم الكامل|:الاسم|^اسم|اسم الأم|اسم الأب|اسم الزوج|اسم الزوجة|اسم الطبيب|"
        "الطبيب المعالج|:الطبيب|:الجراح|:التوقيع|:الطبيبة|:ولي الأمر|:المرافق|اسم ولي الأمر|:طبيب التخدير|:المساعد|"
        "اسم العائلة|الاتصال على|:المحول من|:الاستشاري|اسم الوالد|اسم الوالدة",
        "NAME_WEAK": "^المريض|^المريضة|^الدكتور",
        "ADDRESS": ":العنوان|عنوان السكن|:السكن|:محل الإقامة|:الرمز البريدي|الرمز البريدي|غرفة رقم|سرير رقم|رقم الغرفة|"
        "رقم السرير|:المدينة|:الغرفة|:السرير|:محل السكن",
        "DATE": "تاريخ الميلاد|تاريخ الولادة|تاريخ الدخول|تاريخ الخروج|تاريخ العملية|تاريخ الفحص|تاريخ الزيارة|"
            ":التاريخ|"
        "تاريخ الوفاة|مواليد|تاريخ ميلاد الطفل|تاريخ التقرير|تاريخ المراجعة",
        "PHONE": "هاتف|الهاتف|رقم هاتفي|رقم الهاتف|جوال|الجوال|جوالها|جواله|رقم جوالها|رقم جواله|رقم الجوال|موبايل|"
        "رقم الموبايل|المحمول|فاكس|اتصل|الاتصال على|رقمي|واتساب|تلفون|هاتفي|جوالي",
        "RECORD": "رقم الملف|رقم المريض|رقم السجل|رقم السجل الطبي|رقم التأمين|رقم الحالة|رقم التذكرة|رقم البوليصة|"
        "رقم الوثيقة|رقم القيد|رقم العينة|الرقم الطبي|الرقم التسلسلي|رقم التسجيل|رقم الملف الطبي|رقم الزيارة|"
        "رقم العضوية|"
        "الرقم التسلسلي لجهاز التنظيم",
        "ID": "رقم الهوية|الرقم القومي|رقم الإقامة|رقم الهوية الوطنية|رقم الهوية الإماراتية|رقم البطاقة|رقم "
            "البطاقة الوطنية|"
        "رقم جواز السفر|جواز السفر|جواز سفر رقم|الرقم الوطني|رقم البطاقة الشخصية|السجل المدني",
        "PLATE": "لوحة السيارة|رقم اللوحة|رقم السيارة|رخصة القيادة|رقم الرخصة|لوحة رقم",
        "CARD": "بطاقة ائتمان|ببطاقة ائتمان|بطاقة الائتمان|رقم بطاقة الائتمان|بطاقة بنكية",
        "HANDLE": ":انستغرام|:تويتر|:فيسبوك|:سناب شات",
        "IP": "العنوان ip|عنوان ip",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Cue:
    type: str
    colon: bool  # the value must be parted from the cue by a colon
    opening: bool  # the cue must open its line or clause


def fold(text: str) -> str:
    """Lower case without diacritics, with straight quotes and ASCII digits; "Nº" and "N°" become "no"."""
    text = text.replace("°", "o").replace("º", "o").replace("ª", "a").replace("\u2019", "'").replace("\u0640", "")
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")


@cache
def table(lang: str | None) -> tuple[dict[str, Cue], tuple[int, ...]]:
    """(folded cue -> Cue, the lengths that occur, longest first) of a language and English; of all six for None."""
    found: dict[str, Cue] = {}
    for language in ("en", lang) if lang in LANGUAGES else LANGUAGES:
        for kind, words in CUES[language or "en"].items():
            for word in words.split("|"):
                cue = Cue(kind, word[0] in ":^", word[0] == "^")
                found[fold(word.lstrip(":^"))] = cue
    return found, tuple(sorted({len(word) for word in found}, reverse=True))
