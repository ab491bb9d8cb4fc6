"""Boilerplate of web pages in six languages: which whole lines say nothing about what a page is about."""

import re
import unicodedata

# One pattern a line, tried on a whole line in lower case and without decoration; {a,b} at its start are alternatives.
# Free text (.{0,80}) only follows words that no medical prose begins with. @ON: "on Facebook", @TRAIL: "> A > B".
_PATTERNS = r"""
share(?: this)?(?: page| article| post| story)?(?:@ON)?
{like,follow,find} us(?:@ON)?
subscribe(?: now| today| here)?(?: to our (?:newsletter|mailing list|channel).{0,60})?
sign up (?:for|to) our (?:newsletter|mailing list).{0,60}
sign (?:in|up)(?: (?:or|/) (?:register|sign up|log ?in))?
read (?:more|the full (?:article|story))
{learn,show,load,view} more
continue reading
click here(?: (?:to (?:read|see|view|download|print)|for more)\b.{0,60})?
back to (?:the )?top(?: of page)?
print(?: this)?(?: page| article| version)?
e-?mail this (?:page|article)
skip to (?:main )?content
advertisements?
sponsored(?: content)?
log ?in(?: ?(?:or|/) ?(?:register|sign up))?
register(?: now)?
create an account
forgot (?:your )?password\??
all rights reserved
copyright (?:©|\(c\)|(?:19|20)\d\d).{0,120}
©.{0,120}
c\) (?:19|20)\d\d.{0,80}
{cookie,privacy} (?:policy|settings|preferences|notice)(?: (?:and|&) .{0,30})?
we use (?:\w+ )?cookies.{0,150}
{this,the} (?:web)?site uses (?:\w+ )?cookies.{0,150}
by (?:continuing|using|browsing).{0,80} cookies.{0,60}
{accept,reject,manage} (?:all )?cookies
terms (?:of (?:use|service)|(?:and|&) conditions)
page \d{1,4}(?: ?(?:of|/|sur|de) ?\d{1,4})?
{home,inicio,accueil,الرئيسية,الصفحة الرئيسية,होम,मुख्य पृष्ठ,首页}(?:@TRAIL)
you are here ?:.{0,120}
leave a (?:comment|reply)
related (?:articles|posts|stories)
compart(?:ir|e)(?: esta página| este artículo)?(?:@ON)?
síguenos(?:@ON)?
suscr[ií]b(?:ete|ase|irse)(?: (?:a nuestr[oa]|al) (?:boletín|newsletter|canal|lista).{0,60})?
{leer,ver} más
{seguir,continuar} leyendo
volver (?:arriba|al inicio)
imprimir(?: esta página)?
publicidad
iniciar sesión(?: ?(?:o|/) ?reg[ií]str(?:ate|arse))?
reg[ií]str(?:ate|arse|ese)
todos los derechos reservados.{0,80}
este sitio(?: web)? (?:utiliza|usa) cookies.{0,150}
{utilizamos,usamos} cookies.{0,150}
aceptar (?:todas )?(?:las )?cookies
política de (?:cookies|privacidad)(?: y .{0,30})?
aviso legal
términos y condiciones
página \d{1,4}(?: ?(?:de|/) ?\d{1,4})?
{usted está aquí,está usted aquí,estás aquí,estás en} ?:.{0,120}
partager(?: cette page| cet article)?(?:@ON)?
suivez-nous(?:@ON)?
abonnez-vous(?: à (?:notre|la) (?:newsletter|lettre|chaîne).{0,60})?
lire la suite
en savoir plus
voir plus
{retour en haut,haut}(?: de (?:la )?page)
imprimer(?: cette page)?
publicité
{se connecter,connexion}(?: ?(?:ou|/) ?(?:s['’]inscrire|inscription))?
s['’]inscrire
créer un compte
tous droits réservés.{0,80}
ce site (?:web )?utilise des cookies.{0,150}
nous utilisons des cookies.{0,150}
{accepter,refuser,gérer} (?:tous )?(?:les )?cookies
politique (?:de confidentialité|relative aux cookies|de cookies)
mentions légales
conditions (?:générales )?d['’]utilisation
vous êtes ici ?:.{0,120}
{شارك,مشاركة}(?: هذه الصفحة| المقال| هذا المقال)?(?:@ON)?
تابعنا(?:@ON)?
اشترك(?: الآن| في (?:النشرة|القناة|قناتنا|نشرتنا).{0,60})?
{اقرأ,قراءة,عرض} المزيد
العودة إلى (?:الأعلى|أعلى الصفحة)
طباعة(?: الصفحة)?
إعلان(?:ات)?
تسجيل الدخول
إنشاء حساب
جميع الحقوق محفوظة.{0,80}
حقوق (?:النشر|الطبع) (?:©|محفوظة|(?:19|20)\d\d).{0,80}
{يستخدم هذا الموقع,نستخدم,نحن نستخدم} ملفات تعريف الارتباط.{0,150}
سياسة الخصوصية
شروط الاستخدام
صفحة \d{1,4}(?: ?(?:من|/) ?\d{1,4})?
{शेयर,साझा} करें(?:@ON)?
हमें (?:@SITE पर )?फ़ॉलो करें(?:@ON)?
सब्सक्राइब करें
{और,आगे,पूरा} पढ़ें
विज्ञापन
{लॉग इन,लॉगइन,साइन इन,रजिस्टर,प्रिंट} करें
सर्वाधिकार सुरक्षित.{0,80}
कॉपीराइट (?:©|(?:19|20)\d\d).{0,80}
{यह वेबसाइट,हम} कुकीज़? का (?:उपयोग|इस्तेमाल).{0,150}
गोपनीयता नीति
{उपयोग की शर्तें,नियम और शर्तें}
पृष्ठ \d{1,4}(?: ?(?:का|में से|/) ?\d{1,4})?
分享(?:到|至)?(?:微信|微博|朋友圈|qq|空间|[、/ ])*
{关注,扫码关注,微信扫一扫关注,长按关注}(?:我们|微信|公众号|微博).{0,30}
{扫描,长按}.{0,8}二维码.{0,30}
{阅读,查看,点击查看,点击阅读,展开}(?:更多|全文|原文)
返回(?:顶部|首页|上一页|目录)
打印(?:本页|此页)?
广告
登录(?: ?/ ?注册)?
{注册,免费注册,立即注册}
版权所有.{0,60}
未经(?:书面)?(?:授权|许可|允许).{0,20}(?:转载|复制).{0,20}
转载请注明.{0,40}
{本站,本网站,我们}使用 ?cookies?.{0,100}
隐私(?:政策|声明)
{使用条款,服务条款}
第 ?\d{1,4} ?页(?:[ ,，/]*共 ?\d{1,4} ?页)?
共 ?\d{1,4} ?页
{当前,您的,你的,您现在的,您当前的}位置 ?[:：].{0,80}
{上,下}一篇 ?[:：].{0,60}
{责任编辑,责编} ?[:：].{1,20}
{相关阅读,相关文章,相关推荐}
"""
_SITE = (
    r"(?:facebook|twitter|x|linkedin|whatsapp|instagram|youtube|telegram|pinterest|reddit|e-?mail|social media|"
    r"redes sociales|réseaux sociaux|فيسبوك|تويتر|واتساب|फ़ेसबुक|व्हाट्सएप|ट्विटर)"
)
_ON = rf"(?:[ ,/&]*(?:on|via|en|sur|par|por|y|et|and|على|عبر|पर|और)? ?{_SITE}){{1,6}}"
_TRAIL = r"(?: ?[>»›/→] ?[^>»›/→]{1,50}){1,8}"
_LONGEST = 220
_DECORATION = " *_-–—•·|[](){}<>«»‹›←→↑↓▲▼.:!…+"
_PARTS = re.compile(r" ?[|·•] ?")


def _by_first_character() -> dict[str, re.Pattern[str]]:
    """The patterns by the character they begin with: most lines are tried against three of them, not 150."""
    groups: dict[str, list[str]] = {}
    patterns = _PATTERNS.replace("@ON", _ON).replace("@TRAIL", _TRAIL).replace("@SITE", _SITE)
    for pattern in unicodedata.normalize("NFC", patterns).strip().split("\n"):
        starts, _, rest = pattern[1:].partition("}") if pattern[0] == "{" else (pattern, "", "")
        for start in starts.split(",") if rest else [starts]:
            groups.setdefault(start[0], []).append(start + rest)
    return {first: re.compile("|".join(f"(?:{one})" for one in group)) for first, group in groups.items()}


_BY_FIRST = _by_first_character()


def is_boilerplate(line: str) -> bool:
    """Is the whole `line` a notice, a button or a menu of a page, at most 220 characters long?"""
    if len(line) > _LONGEST:
        return False
    line = line.strip(_DECORATION).lower()
    pattern = _BY_FIRST.get(line[:1])
    if pattern is None:
        return False
    if pattern.fullmatch(line):
        return True
    if "|" not in line and "·" not in line and "•" not in line:
        return False
    return all((found := _BY_FIRST.get(part[:1])) and found.fullmatch(part) for part in _PARTS.split(line))
