"""Units as people write them in six languages: surface form -> (dimension, size in the dimension's base unit)."""

import re
from functools import cache

# dimension: name of a unit and its size, then its forms; forms of all languages together, since Latin abbreviations are
# read everywhere. Forms of one character that are words too (a, m, h, g, j, d) stand in _ABBREVIATED alone.
_UNITS: dict[str, dict[float, str]] = {
    "mass": {
        1e-12: "pg picogram picograms picogramo picogramos picogramme picogrammes",
        1e-9: "ng nanogram nanograms nanogramo nanogramos nanogramme nanogrammes 纳克 नैनोग्राम نانوغرام نانوجرام",
        1e-6: "µg μg ug mcg microgram micrograms microgramo microgramos microgramme microgrammes 微克 माइक्रोग्राम ميكروغرام ميكروجرام ميكروغرامات",
        1e-3: "mg mgs milligram milligrams miligramo miligramos milligramme milligrammes 毫克 मिलीग्राम मिग्रा मि.ग्रा ملغ ملغم ملجم مجم ملغرام ملليغرام مليغرام ملليجرام مليجرام ميليغرام ملغرامات مليغرامات ملليغرامات ميلليغرام",
        1.0: "gr gram grams gramme grammes gramo gramos 克 ग्राम غرام جرام غراما جراما غرامات جرامات غم",
        1e3: "kg kgs kilo kilos kilogram kilograms kilogramo kilogramos kilogramme kilogrammes 公斤 千克 किलोग्राम किलो किग्रा كغ كجم كغم كيلوغرام كيلوجرام كيلو كيلو-غرام كيلوغراما كيلوجراما كيلوغرامات",
        453.6: "lb lbs pound pounds libra libras livres 磅 पाउंड رطل رطلا أرطال باوند",
        28.35: "oz ounce ounces onza onzas onces 盎司 औंस أونصة أوقية",
        500.0: "斤",
        50.0: "两",
        1e9: "किलोटन",
        1e15: "गीगाटन gigatonnes gigatons",
        1e6: "ton tons tonne tonnes tonelada toneladas 吨 टन طن أطنان",
    },
    "volume": {
        1e-6: "µl μl ul microlitre microlitres microliter microliters microlitro microlitros 微升 माइक्रोलीटर ميكرولتر mm3 cubic-millimeter cubic-millimetre milímetro-cúbico millimètre-cube 立方毫米 مليمتر-مكعب",
        1e-3: "ml mls cc cm3 milliliter milliliters millilitre millilitres mililitro mililitros 毫升 मिलीलीटर मिली मिलिलीटर मل مليلتر ملليلتر ميليلتر مللي مل",
        0.01: "cl centilitre centilitres centilitro centilitros 厘升",
        0.1: "dl deciliter deciliters decilitre décilitre décilitres decilitro decilitros 分升 डेसीलीटर ديسيلتر",
        1.0: "liter liters litre litres litro litros 升 公升 लीटर لتر لترا لترات ليتر",
        0.946: "quart quarts",
        3.785: "gallon gallons galón galones 加仑 गैलन غالون",
    },
    "time": {
        1e-3: "ms millisecond milliseconds milisegundos millisecondes 毫秒",
        1.0: "sec secs second seconds segundo segundos seconde secondes 秒 秒钟 सेकंड सेकेंड ثانية ثوان ثوانٍ ثواني",
        60.0: "min mins minute minutes minuto minutos mn 分钟 मिनट मिनटों دقيقة دقائق دقيقتين دقيقتان",
        3600.0: "hr hrs hour hours hora horas heure heures 小时 钟头 个小时 घंटे घंटा घंटों घण्टे घण्टा घन्टे ساعة ساعات ساعتين ساعتان ساعةً",
        86400.0: "day days día días dia dias jour jours 天 日 दिन दिनों दिवस يوم يوما أيام يومين يومان يومًا يوماً أيّام ايام",
        604800.0: "wk wks week weeks semana semanas semaine semaines sem 周 星期 礼拜 个星期 सप्ताह सप्ताहों हफ़्ते हफ्ते हफ़्ता हफ्ता हफ़्तों हफ्तों أسبوع أسبوعا أسابيع أسبوعين أسبوعان",
        2629800.0: "month months mes meses mois 个月 月 महीने महीना महीनों माह मास شهر شهرا أشهر شهور شهرين شهران شهراً شهرًا",
        31557600.0: "yr yrs year years yo año años an ans année années 年 岁 周岁 वर्ष वर्षों साल सालों वर्षीय سنة سنوات عام عاما أعوام سنتين سنتان عامين عامان عامًا عاماً سنين سنةً",
        315576000.0: "decade decades década décadas décennie décennies दशक दशकों عقد عقود عقدين",
    },
    "length": {
        1e-9: "nm nanometer nanometers nanometre nanometres nanómetro nanómetros nanomètre nanomètres 纳米 नैनोमीटर نانومتر نانومترا",
        1e-6: "µm μm um micron microns micrometer micrometers micrometre micrometres micra micras micrómetro micrómetros micromètre micromètres 微米 माइक्रोमीटर माइक्रोन ميكرومتر ميكرون ميكرومترا",
        1e-3: "mm millimeter millimeters millimetre millimetres milímetro milímetros millimètre millimètres 毫米 मिलीमीटर मिमी ملم مم مليمتر ملليمتر ملليمترا مليمترا",
        0.01: "cm cms centimeter centimeters centimetre centimetres centímetro centímetros centimètre centimètres 厘米 公分 सेंटीमीटर सेमी سم سنتيمتر سنتيمترا سنتمتر سنتيمترات",
        1.0: "meter meters metre metres metro metros mètre mètres 米 मीटर متر مترا أمتار مترين",
        1e3: "km kms kilometer kilometers kilometre kilometres kilómetro kilómetros kilomètre kilomètres 公里 千米 किलोमीटर किमी كم كيلومتر كيلومترا كيلومترات كيلو-متر كيلو-مترا",
        0.0254: "inch inches pulgada pulgadas pouce pouces 英寸 इंच بوصة بوصات",
        0.3048: "ft foot feet pie pies pied pieds 英尺 फ़ुट फुट फीट फ़ीट قدم أقدام قدما",
        1609.3: "mile miles milla millas mille milles 英里 मील ميل ميلا أميال",
    },
    "area": {
        1.0: "m2 m² mètres-carrés वर्ग-मीटर 平方米 متر-مربع مترا-مربعا metros-cuadrados square-meters square-metres",
        1e-4: "cm2 cm²",
        1e-6: "mm2 mm²",
        1e6: "km2 km² 平方公里 वर्ग-किलोमीटर वर्ग-किमी كيلومتر-مربع كيلومترا-مربعا كيلومترات-مربعة square-kilometers square-kilometres",
        2.59e6: "वर्ग-मील square-miles ميل-مربع ميلا-مربعا millas-cuadradas 平方英里",
        1e4: "ha hectare hectares hectárea hectáreas 公顷 हेक्टेयर هكتار",
    },
    "amount": {
        1e-3: "mmol millimole millimoles milimol milimoles 毫摩尔 मिलीमोल ملمول مليمول",
        1e-6: "µmol μmol umol micromol micromoles 微摩尔 माइक्रोमोल ميكرومول",
        1.0: "mol mole moles 摩尔 मोल مول",
        1e-9: "nmol nanomol",
        1e-12: "pmol picomol",
    },
    "equivalents": {1e-3: "meq mmeq", 1.0: "eq"},
    "pressure": {
        1.0: "mmhg mm-hg mm-de-hg 毫米汞柱 मिमीएचजी",
        0.7356: "cmh2o cmh20 厘米水柱",
        7.5: "kpa 千帕",
        760.0: "atm atmosphere atmospheres atmósferas",
    },
    "share": {
        1.0: "% percent percents per-cent por-ciento pour-cent 百分比 प्रतिशत फ़ीसदी फीसदी फ़ीसद परसेंट بالمئة بالمائة في-المئة في-المائة في-الماية بالمية",
        0.1: "‰ per-mille por-mil pour-mille",
    },
    "temperature": {
        1.0: "° degree degrees grado grados degré degrés 度 डिग्री درجة درجات °c ºc ℃ celsius degrees-celsius degree-celsius grados-celsius grados-centígrados degrés-celsius डिग्री-सेल्सियस درجة-مئوية درجات-مئوية centigrade centígrados 摄氏度 सेल्सियस مئوية",
        1.0001: "°f ºf ℉ fahrenheit 华氏度 फ़ारेनहाइट फारेनहाइट फ़ारेनहाइट فهرنهايت",
    },
    "activity": {
        1.0: "iu ui units unit unidad unidades ud uds unité unités 国际单位 单位 यूनिट इकाई وحدة وحدات",
        1e6: "miu mui",
    },
    "bases": {1e3: "kb kilobase kilobases किलोबेस كيلو-قاعدة", 1e6: "mb megabase megabases मेगाबेस ميغا-قاعدة"},
    "current": {1e-3: "ma milliampere milliamperes miliamperios milliampères", 1.0: "ampere amperes"},
    "voltage": {1e-3: "mv", 1.0: "volt volts"},
    "power": {1.0: "watt watts 瓦", 1e3: "kw kilowatt kilowatts"},
    "energy": {
        1.0: "kcal kilocalorie kilocalories calorie calories cal calorías 卡路里 千卡 कैलोरी سعرة سعرات",
        0.239: "kj kilojoule kilojoules",
    },
    "frequency": {1.0: "hz hertz 赫兹", 1e6: "mhz", 1e3: "khz"},
    "beats": {1.0: "bpm lpm"},
    "dose form": {
        1.0: "tablet tablets comprimido comprimidos comprimé comprimés cp cps pastilla pastillas pill pills capsule capsules cápsula cápsulas gélule gélules 片 粒 支 针 丸 गोली गोलियाँ गोलियां قرص أقراص حبة حبات كبسولة كبسولات",
        1.0001: "spoon spoons spoonful cucharada cucharadas cuillère cuillères 勺 चम्मच ملعقة ملاعق",
        1.0002: "drop drops gota gotas goutte gouttes 滴 बूँद बूँदें قطرة قطرات",
    },
    "times": {1.0: "times time veces vez fois 次 बार مرات مرة مرتين مرتان"},
    "fold": {1.0: "fold 倍 गुना أضعاف ضعف"},
    "money": {
        1.0: "$ dollar dollars usd dólar dólares 美元 डॉलर دولار دولارا دولارات",
        1.1: "€ euro euros 欧元 यूरो يورو",
        1.2: "£ sterling 英镑 पाउंड-स्टर्लिंग إسترليني",
        0.14: "元 人民币 युआन يوان",
        0.012: "रुपये रुपए रुपया روبية",
    },
}
_ABBREVIATED = {  # counted as units directly behind a figure only
    "g": ("mass", 1.0), "l": ("volume", 1.0), "h": ("time", 3600.0), "s": ("time", 1.0), "d": ("time", 86400.0),
    "j": ("time", 86400.0), "a": ("time", 31557600.0), "m": ("length", 1.0), "y": ("time", 31557600.0),
    "u": ("activity", 1.0), "w": ("time", 604800.0), "c": ("temperature", 1.0), "f": ("temperature", 1.0001),
    "k": ("count", 1e3), "b": ("count", 1.0), "ग्रा": ("mass", 1.0),
}  # fmt: skip

Unit = tuple[str, float]


@cache
def table() -> dict[str, Unit]:
    """Folded form -> (dimension, size)."""
    found = {}
    for dimension, sizes in _UNITS.items():
        for size, forms in sizes.items():
            for form in forms.split():
                found[form.replace("-", " ")] = (dimension, size)
    return found


@cache
def pattern() -> re.Pattern[str]:
    """One unit, with the units it is divided by: "mg/kg/día", "g per dl"."""
    forms = sorted([*table(), *(form for form in _ABBREVIATED)], key=len, reverse=True)
    dense = [form for form in forms if re.match(r"[\u3400-\u9fff]", form)]
    spaced = [form for form in forms if form not in dense]
    letters = r"[a-zà-ÿ\u0620-\u064a\u066e-\u06d3\u0900-\u0963\u0970-\u097f]"
    one = (
        "(?:" + "|".join(map(re.escape, dense)) + "|(?:" + "|".join(map(re.escape, spaced)) + rf")(?!{letters}|\u094d))"
    )
    return re.compile(rf"({one})((?:\s?(?:/|per |por |par |प्रति |لكل )\s?{one})*)")


_DIVIDED = re.compile(r"\s?(?:/|per |por |par |प्रति |لكل )\s?")


def parts(unit: re.Match[str]) -> list[str]:
    """The forms in a match of `pattern`: the unit and those that it is divided by."""
    return [unit[1], *(part.strip() for part in _DIVIDED.split(unit[2])[1:])]


_ADVERBS = {
    60.0: "bpm lpm bat cpm mn mins mpm",
    3600.0: "hourly horario horaire प्रतिघंटा",
    86400.0: "daily overnight diario diaria diarios diarias diariamente quotidien quotidienne quotidiens quotidiennes quotidiennement journalier journalière दैनिक रोज रोज़ रोज़ाना रोजाना प्रतिदिन يوميا اليومي اليومية يومي يومية",
    604800.0: "weekly semanal semanales semanalmente hebdomadaire hebdomadaires साप्ताहिक اسبوعيا أسبوعيا أسبوعي أسبوعية الأسبوعي الأسبوعية",
    2629800.0: "monthly mensual mensuales mensualmente mensuel mensuelle mensuels mensuelles मासिक شهريا شهري شهرية الشهري الشهرية",
    31557600.0: "yearly annual annually anual anuales anualmente annuel annuelle annuels annuelles annuellement वार्षिक सालाना سنويا سنوي سنوية السنوي السنوية",
}


@cache
def adverbs() -> dict[str, float]:
    """Word -> seconds of the unit of time that it holds."""
    return {word: size for size, words in _ADVERBS.items() for word in words.split()}


def lookup(form: str) -> Unit | None:
    return table().get(form) or _ABBREVIATED.get(form)
