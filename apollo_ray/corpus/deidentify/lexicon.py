"""Names, titles and the words that look like names but are none."""


def words(text: str) -> frozenset[str]:
    """The words of a list that white space parts."""
    return frozenset(text.split())


EPONYMS = words(
    "parkinson alzheimer crohn hodgkin down huntington graves hashimoto cushing addison marfan turner klinefelter "
    "sjögren sjogren raynaud wilson kawasaki barrett bell ménière meniere tourette guillain barré barre lynch "
    "gaucher fabry "
    "pompe tay sachs kaposi burkitt ewing wilms paget dupuytren babinski romberg valsalva foley kocher glasgow barthel "
    "apgar kaplan meier cox mann whitney fisher student bonferroni pearson spearman doppler gram giemsa wright coombs "
    "schwann purkinje golgi langerhans virchow charcot tinel phalen murphy mcburney rovsing lasegue lasègue blumberg "
    "waldenström waldenstrom behçet behcet still felty reiter ehlers danlos prader willi angelman rett "
    "creutzfeldt jakob "
    "lewy pick korsakoff wernicke broca conn sheehan whipple hirschsprung meckel zollinger ellison fallot ebstein "
    "marburg pott colles dukes child pugh bohr krebs henle bowman eustachio wolff white parkinson-white"
)
"""Surnames that medicine has made words: never replaced on re-mention."""

COMMON_SURNAMES_THAT_ARE_WORDS = words(
    "may day long short brown white black green young rose price best good small little cross field hill wood stone "
    "hand head back foot bone heart blood king law page read rice rich sharp strong wise summer winter march "
    "june august "
    "north south east west case bush cook bishop cannon church grant marks mercy noble power rush speed waters woods "
    "reyes rey rico bueno blanco moreno rubio calvo flores cruz santos paz rosa luz sol cabeza casas iglesias campos "
    "petit grand roi roux leblanc lenoir legrand martin lundi paris france marie blanc noir sain bonne amour "
    "doctor patient hospital madre padre mère père"
)

NOT_A_NAME = words(
    "hospital servicio service unidad unit unité departamento department département clinic clínica clinique centro "
    "centre center university universidad université institute instituto institut md phd tel tfno fax email e-mail "
    "correo nºcol nº ncol no the this that these those it he she they we you i in on at for from and or but if when "
    "please thank thanks hello hi good well yes okay ok hey sure oh so just how what why where who do does did is are "
    "was were has have had can could would will my your his her our their name street date address phone age sex "
    "gender el la los las un una de del le les une des du en au aux con por para que se su sí si hola buenos buenas "
    "gracias bonjour merci oui non monsieur madame señor señora doctor doctora docteur patient paciente patiente "
    "practitioner health safety care reported education zero information outcomes global association general family "
    "home station anesthetist midwife manager assistant attending emergency who md, rn edad sexo mr mrs ms dr male "
    "female hombre mujer masculin féminin homme femme unknown âge âgé âgée edad none n/a na desconocido inconnu "
    "also because after "
    "before then there here both all any some each today yesterday tomorrow now maybe right alright no. "
    "internista ginecología cirugía medicina urgencias pediatría profesor jefe president minister secretary "
    "responsable clínico urólogo calle avda avenida plaza rue boulevard road room bed lit chambre oms who nhs "
    "covid covid-19 internal medicine nurse nursing ingeniero licenciado director directora directeur coordinador "
    "president présidente presidente presidenta ministro ministre hay como cuando tiene está estaba fue ha"
)
"""Lower-case words that end a Latin name or show that there is none."""

TITLES = {
    "en": r"Dr|Mr|Mrs|Ms|Miss|Mx|Prof|Professor|Doctor|Nurse",
    "es": r"Dra|Dr|Sra|Srta|Sr|Don|Doña|Dña|Profa|Prof|Lic|D|Dª|[Dd]octora|[Dd]octor|[Ss]eñora|[Ss]eñorita|[Ss]eñor|"
    r"[Ee]nfermer[oa]|[Pp]rofesora?|don|doña",
    "fr": r"Dr|Pr|Mme|Mlle|Mgr|Monsieur|Madame|Mademoiselle|M|MM|Mmes|[Dd]octeur|[Pp]rofesseur|[Ii]nfirmier|"
    r"[Ii]nfirmière",
}

INTRODUCTIONS = {
    "en": r"[Mm]y name is|[Nn]ame's|[Pp]atient named|[Mm]an named|[Cc]aregiver|[Ss]igned by|[Ss]igned "
    r"electronically by|[Dd]ictated by",
    "es": r"[Mm]e llamo|[Mm]i nombre es|[Dd]e nombre|[Ff]irmado por|[Dd]ictado por",
    "fr": r"[Jj]e m'appelle|[Jj]e m’appelle|[Mm]on nom est|[Ss]igné par|[Dd]icté par|[Mm]oi c'est",
}

CHINESE_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭"
    "廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢"
    "路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋甘景薄单包司柏宁柯阮桂闵"
)
CHINESE_DOUBLE_SURNAMES = "欧阳|司马|上官|诸葛|皇甫|尉迟|慕容|令狐|东方|夏侯|司徒|公孙|长孙|宇文"
NOT_CHINESE_NAMES = words(
    "任何 方面 何种 何时 于是 安排 时任 常规 全科 专科 高年 白衣 金牌 管床 成都 高级 关于 向上 "
    "申请 管理 安全 谢谢 多谢 感谢 谢医 时医"
)

HINDI_NAME_WORDS = words(
    "शर्मा वर्मा गुप्ता सिंह कुमार यादव मिश्रा पांडे पाण्डेय तिवारी चौहान ठाकुर पटेल शाह मेहता जोशी देसाई देशमुख पाटिल नायर मेनन "
    "अय्यर रेड्डी राव खान अहमद अंसारी अली हुसैन जोसेफ थॉमस देवी बाई लाल चंद्र राम मौर्य सक्सेना श्रीवास्तव अग्रवाल जैन मलिक चौधरी "
    "राजपूत सोनी बिष्ट रावत नेगी दास घोष बोस सेन मुखर्जी बनर्जी चटर्जी करीम कपूर खन्ना मल्होत्रा सेठी भाटिया अरोड़ा गिल संधू "
    "सुनीता अनीता कमला विमला सीता गीता राधा मीना रेखा पूजा नेहा प्रिया अंजलि कविता सविता संगीता ममता शांति लक्ष्मी सरस्वती राजेश "
    "राकेश मुकेश सुरेश रमेश महेश दिनेश गणेश अनिल सुनील विकास संजय अजय विजय अमित सुमित रोहित मोहन सोहन रामदीन हरीश इमरान अब्दुल "
    "मोहम्मद फैज़ान जावेद अरुण अरुणा प्रीति मीनाक्षी ग्रेस तनवी सुधीर वसंत अशोक प्रकाश दीपक मनोज विनोद प्रमोद अरविंद"
)
HINDI_STOP = words(
    "ने को का की के है हैं हूँ हूं से में और पर भी जी साहब द्वारा यह वह एक इस उस जो कि तो ही या तथा एवं लिए साथ बाद था थी थे हुए हुआ "
    "हुई गया गई गए कर करने किया कहा बताया लंका जन्म आयु उम्र पुरुष महिला लिंग पता मोबाइल फोन मरीज रोगी डॉक्टर नर्स सलाह मैं आप हम "
    "वर्ष साल दिनांक नामक रहे रहा रही देखा अस्पताल विभाग मंत्री प्रधानमंत्री राष्ट्रपति"
)

ARABIC_NAME_WORDS = words(
    "محمد أحمد احمد محمود علي حسن حسين خالد عمر عثمان إبراهيم ابراهيم يوسف يونس موسى عيسى سعيد سعد سالم سليم "
    "سامي سامر سمير كريم "
    "طارق زياد وليد ماجد ناصر نادر فؤاد فيصل فهد عادل عماد هشام هاني جمال كمال مصطفى مروان رامي رشيد بلال ياسر "
    "منصور فاطمة "
    "عائشة خديجة زينب مريم سلمى ليلى هدى هند نور نورة سارة سعاد منى رنا ريم رانيا دينا نادية سميرة أمل إيمان "
    "آمنة حنان عبير لينا "
    "هبة ندى وفاء سلوى عبد عبدالله عبدالرحمن طه حسنين"
)
ARABIC_STOP = words(
    "في من على إلى الى عن أن ان إن كان كانت قد هو هي هذا هذه ذلك التي الذي الذين ثم أو او لا ما لم لن كل بعد "
    "قبل عند مع منذ حتى إذا "
    "قال قالت أكد أكدت فحص فحصت راجع راجعت حول حوّل سجل سجلت يعاني تعاني رقم عمره عمرها العمر الجنس السيد السيدة "
    "المريض المريضة "
    "الدكتور الدكتورة الطبيب المعالج الرئيس الوزير الوزيرة والسيدة القسم هاتف جوال أوصى أوصت ذكر أنثى تحدثت "
    "تحدث وقال وأكد مصابة "
    "مصاب النفسي العام المختص المسؤول البالغ المصاب المصابة الحامل نفسه نفسها وحده وحدها قائلا قائلًا إنه يقول "
    "الذي هناك أيضا الواحد لديه لديها الأول وزير رئيس بن بنت أبو "
    "هل يمكن يمكنني الذكر الأنثى غرفة التوقيع التاريخ العنوان عام سنة"
)
