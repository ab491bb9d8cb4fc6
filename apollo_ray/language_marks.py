"""Words and letters that tell a language from its kin, written down as grammars have them, in lower case.

langdetect has n-gram profiles of 55 languages. Their neighbours without one would pass for them: all of Uyghur for
Arabic, two thirds of Galician for Spanish.
"""

KIN: dict[str, dict[str, tuple[str, ...]]] = {
    "latin": {
        "ast": ("es", "ca", "pt"),
        "eo": (),
        "eu": (),
        "ga": (),
        "gl": ("es", "pt"),
        "la": (),
        "lb": ("de", "nl", "fr"),
        "mt": (),
        "oc": ("ca", "fr", "es"),
    },
    "arabic": {
        "ckb": ("fa",),
        "ps": ("fa", "ur"),
        "sd": ("ur", "fa"),
        "ug": ("fa", "ar"),
    },
    "devanagari": {
        "bho": ("hi",),
        "mai": ("hi", "ne"),
        "sa": ("hi", "mr", "ne"),
    },
    "cyrillic": {
        "be": ("ru", "uk"),
        "kk": ("ru",),
        "mn": ("ru",),
        "sr": ("mk", "bg"),
    },
}
"""By script, languages without a profile: an n-gram is as likely in them as on average in those named, or in all of
the script where none is named."""

FUNCTION_WORDS = {
    "latin": {
        "en": "the of and is in to with for which following patient are was by on from at that this an be as or "
        "not has have most what who she his her were it he if when after they their can about there than "
        "but will been you",
        "es": "el los las y del una un por con es más pero como su sus esta este son fue ser para sin sobre entre "
        "según cuál qué siguiente siguientes respecto paciente hay muy desde cuando años señale cual no se "
        "lo al de en a",
        "fr": "le les des du et est une dans pour par sur avec qui que ce cette sont au aux il elle ne pas plus "
        "ou été ses leur un la en chez suivantes parmi quelle quel laquelle lesquelles de a",
        "it": "il lo gli di che è della dei delle degli nel nella alla con non una per del dal dalla sono anche "
        "come più si ha questo questa essere stato tra le al un in e i a",
        "pt": "não uma um com são dos das pelo pela pelos ao aos à às também mais como foi ser está você muito "
        "seu sua ou até já há o a os as em do da no na nos nas e por mas isso ele ela se para que quando "
        "onde de é sobre entre este desde era isto agora",
        "ca": "amb els dels als és són per i les aquest aquesta aquests aquestes una més també però com molt què "
        "perquè seva seu seves ha han pel pels fins des hi va van això havia quan segons el la del al un "
        "tots anys dins sense nova nou estat ser fer ho qual vam estava tenia fa aquell aquella ens li no "
        "podia estic aquí et meu meva teu teva teves nostre nostra hem tenir tot tota totes ja encara només "
        "sempre altres altra després abans d s n de en a homes dona dones fill nit vegada vegades gairebé "
        "mentre llavors aleshores doncs res tant millor així allà diu dit fet feia eren havien hagi sigui "
        "pot puc vull vol dues quatre ciutat temps coses gent treball feina govern m t em us jo ell "
        "nosaltres sobre entre es",
        "gl": "unha dunha nunha dun nun non máis polo pola polos polas moi tamén xa aos ás coa co cos coas seu "
        "súa súas foi ten teñen están ao eu onde ano anos despois persoas saúde hai mesmo xunto ata grazas "
        "sexa o a os as do da dos das no na nos nas e para sen outros outro de en se desta deste xente "
        "ningunha algunha moito houbo fixo dixo xeito aquel aqueles algún algúns cal cales dous dúas tras "
        "tempo poden mellor catro entón diferenza maioría nós vós nunca moitos moitas moita muller mulleres "
        "homes fillos nai goberno luns mércores xoves venres xaneiro febreiro xuño xullo dende mentres "
        "aínda fixeron puido tiña tiñan foron dicir dixeron facer quen porén tempada xogo xogador calquera "
        "poida poidan sexan estea teña haxa pechado rúa lle lles quixo quere nosa noso miña un por con como "
        "este ser sobre entre desde son pero é era ela el eles todo toda isto iso agora está",
        "ast": "y les pa nun tamién ye yera dende nel na pol pola pelos xente munchu munches otru esti hai fai "
        "tien toles tolos llingua foi cola colos enfermedá salú d el meyor ensin namás cuandu yá tán puen "
        "ente de en se la los un una por con más pero como ser según al lo desde está "
        "otres pue coles nin díes coses",
        "oc": "amb los las lo dels es una per pas tanben aquel aquesta foguèt sus dins fòrça qu mas son aqueste "
        "ont coma totes totas an pòt èstre drech libertat persona cap sens entre al del de en",
        "eu": "eta da du dira ez bat dute den zen ziren ere izan egin baina baino dela dituzte duen bere hau hori "
        "horiek beste urte oso ditu zuen dago daude nahi behar gabe arte edo baten bidez gaixotasun ondoren "
        "bezala zuten",
        "la": "quae quod sunt atque esse eius enim autem sed ex ut quam cum qui nec vel aut sub hoc haec anno ab "
        "inter ad et in est non per pro fuit erat quoque ac sive etiam ipse",
        "eo": "kaj la estas de ke ne oni por al kiu kiuj tiu tio estis mi li ili ŝi sed ankaŭ en kun pri pli el "
        "ĝi sur aŭ kiel tre post dum nur jam",
        "ga": "agus an na ar sé tá bhí leis ag go is i le ní mar sin seo iad sí bhfuil do nach chun ach féin níl "
        "siad raibh faoi don den um dul atá nuair gur ó a",
        "lb": "an de den déi dat ass mat vun net fir op sech eng e si hunn huet gouf och wéi awer datt mir ginn "
        "nach vum zum hien säi war bei een et",
        "mt": "li ta il u ma f hija huwa għal minn fuq dan din kien kienet dawn għall mill fil tal wara bħal jew "
        "biex mal fl l x ħafna lil kull aktar",
        "ro": "și în de la cu pe care este sunt din pentru nu mai că o un au fost prin sau după ale al lui se",
        "de": "der die das und ist nicht ein eine mit von zu den dem des für auf im sich auch wird werden bei "
        "oder nach",
        "nl": "de het een van en is niet op te in met dat voor zijn aan door ook bij als of werd worden naar deze er",
        "af": "die en van is n het nie wat vir met sy te dat hy ons om aan was deur hulle sal",
        "id": "yang dan di dengan untuk dari ini itu adalah dalam tidak pada ke akan oleh juga atau bisa karena mereka",
        "tl": "ang ng sa na mga ay at ito hindi niya kung para siya may ko mo ni nang isang",
    },
    "arabic": {
        "ps": "د په کې چې سره له دی ده دي او هغه څخه لپاره ته یې کوي شوی شوي وي یو نه دا کړي شي",
        "ckb": "لە بە بۆ کە ئەو و ئەم لەگەڵ بوو نییە دەکات هەر یەک هەموو خۆی تۆ سەر هەیە",
        "sd": "جي جو ۾ کي آهي کان ته سان تي به هي جا ان آهن جنهن پر هو ڪري ٿي ٿو",
        "ug": "ۋە بىر بۇ ئۇ بىلەن ئۈچۈن ھەم دەپ قىلىش بولۇپ ئىدى كېرەك",
        "fa": "و در به از که این را با است برای آن یک می ها شده های خود تا بر شود کرد هم نیز اما بود دارد",
        "ur": "کے کی میں ہے اور سے کا کو پر نے ہیں یہ کہ اس نہیں بھی ایک جو تو تھا ہو گیا لیے کر اپنے وہ رہا",
        "ar": "في من على أن إلى عن مع التي الذي هذا هذه ما لا كان أو التالية يعاني مريض عند بعد بين كما أي هو هي",
    },
    "devanagari": {
        "hi": "है हैं का के की में से और को ने पर यह भी था थी थे कि लिए गया नहीं किया एक जो इस वह तो हो कर या साथ "
        "जा रहा रही रहे होता होती होते वाली वाला हुए हुई हुआ समय जिसमें जिसके जिसका जिसे उसके उसका उसकी "
        "दौरान बाद करता करती करते दिया दी दिए गए होना करना करने होने बताया दिखाई नीचे सबसे सभी इनमें इसका "
        "इसकी उस उन अगर तक निम्नलिखित कौन क्या लेकिन किसी इसके जाता सकता सकते सकती आप मैं हम यदि द्वारा "
        "वाले गई अपने",
        "mr": "आहे आहेत आणि मध्ये नाही होते होता होती या हे ही हा त्या तर मी ते ती तो आपण झाला झाली झाले करण्यात "
        "यांनी यांच्या त्यांनी त्यांच्या त्याच्या केले केला केली असे असलेल्या पण किंवा साठी एका काही म्हणून "
        "म्हणजे येथे आता असून मला तुम्ही वर एक जर पासून नंतर दोन अनेक होऊ शकतो शकते शकतात असते अधिक आपल्या "
        "ज्या कोणत्या कोणतेही आहोत गेला गेले गेली करण्यासाठी करून किती कसे काय तुम्हाला तुमच्या त्यामुळे "
        "परंतु सर्व द्या",
        "ne": "छ छन् हो र पनि थियो थिए भएको गरेको गर्न लागि हुन्छ हुन् भने यो त्यो गरे भए गर्दै एक जुन तर वा उनले "
        "उनी यस को मा लाई भयो गरिएको गर्ने सबै हामी तपाईं म अनि नै ती साथै हुने हुन सक्छ बाट केही के गर्छ "
        "छैन तपाईंलाई तपाईंको कुनै गर्नु गर्नुहोस् कति कसरी किन मलाई मेरो उहाँ भन्ने जस्तै समेत तथा बीच",
        "bho": "बा बाटे बाड़ें भइल कइल रहल आउर हवे ओकर सभ गइल होखे एगो लोगन खातिर कइले बाड़ी ओह ऊ हऽ जवन सकेला करेला होला",
        "mai": "अछि छल छथि सँ केँ आओर एहि ओहि नहि भेल कएल सभ जे मे हुनक ओकर गेल होइत करैत एकटा लेल अपन छलाह",
        "sa": "अस्ति भवति इति च न सः सा तत् एव अपि तस्य तु किम् यत् सन्ति भवन्ति आसीत् वा कृते सर्वे एतत् अयम् सह मम",
    },
    "cyrillic": {
        "ru": "и в не на что с он она по это как у за от но из для или был была же только",
        "be": "і ў не што з на як для да яго гэта было але быў яны якія",
        "sr": "је у и да се на су за од са који као што није то али",
        "mk": "и во на од да се за со дека го ја ќе не што беше како",
        "bg": "на и в да от за се е с че са не по като това си ще",
        "uk": "і в на не що з до та у це як за від але його про",
        "kk": "және бұл мен бір үшін деп да де бар болып",
        "mn": "ба нь энэ юм байна гэж бол та хүн",
    },
}
"""The commonest words of a language that are not as common in its whole script."""

OWN_LETTERS = {
    "latin": {
        "es": "[¿¡]",
        "pt": "ão|ões$|ãos?$|ães$|ã$",
        "gl": "[^nrt]iñ|^tiñan?$|^[nd]?unhas?$|[óé]ns$",
        "ast": "[ḷḥ]|^ñ",
        "ca": "l·l|ció$|cions$|tges?$|ny[aos]s?$",
        "eo": "[ĉĝĥĵŝŭ]",
        "ga": "bhf|[áéíóú]i?dh$|aíoch|aigh$|eann$",
        "mt": "[ċġħ]",
        "ro": "[șțţ]",
        "de": "ß",
    },
    "arabic": {
        "ps": "[ټځڅډړږښڼۍګ]",
        "ckb": "[ێڵڕڤ]",
        "ug": "[ۋۈڭ]|ۇ|ئې",
        "sd": "[ٻڀٺٽٿڃڄڇڌڊڏڍڙڦڪڳڱڻ۾]",
        "ur": "[ٹڈڑںےۓ]",
    },
    "devanagari": {
        "mr": "ळ|च्या$|ण्या|ांनी$",
        "ne": "हरू|हरु|न्छ|छन्$",
        "hi": "[ओए]ं$|ियों$|ाएं|ाओं",
    },
    "cyrillic": {
        "be": "ў|[ыэё]",
        "sr": "[ђћ]",
        "mk": "[ѓќѕ]",
        "uk": "[їє]",
        "kk": "[әғқңұһ]|[ыэё]",
        "mn": "ө|ү|[ыэё]",
        "ru": "[ыэё]",
    },
}
"""Letters and strings of them that, in its script, hardly any other language writes; regular expressions for a word."""

TYPICAL_LETTERS = {
    "latin": {
        "es": "[áéíóú]n$|ción|ñ|dad$|os?$",
        "pt": "os?$|ção|ções|lh|nh|dade$|ou$|eir[oa]s?$|eu$|ais$",
        "gl": "os?$|ñ|ción|dade$|ou$|eir[oa]s?$|[aeo]x[aeiou]|nz[ao]|eu$|[oi]use$|ais$|^x[eu](?!no|ro)",
        "ast": "os?$|ñ|ción|dá$|^[ln]les$|[^e]es$|aben$|[aeiou]x[aeiou]|^x",
        "ca": "ï|ny|[aeiou]ts$|tat$|ment$|à|ò|ix|nt$",
        "oc": "lh|nh|cion|ò|[^aeiou]at$|tat$|ment$",
        "eu": "tx|tz|ts|k$|tu$|du$|(?:aren|ekin|etan|etik|rako)$",
        "eo": "(?:oj|ojn|ajn|aj|as|is|on)$",
        "la": "(?:um|us|ae|orum|arum|ibus|que|tis|tur|em|am|ii|it|is)$",
        "ga": "^[bcdfgmpst]h[aeiouáéíóú]|acht$|each$|[úíáó]|^[mn]a$|ai[rldn]$",
        "lb": "ë|ä|éi|ee|[^i]g$",
        "mt": "iet$|^i[lrsmtndżx]$|għ|jiet$|ż",
        "fr": "œ|ê|î|eux$|^qu$|aux$|ment$|ée?s?$",
        "it": "[oi]$|zion[ei]$|tà$|gli",
        "en": "ing$|ed$|tion$|ly$|th|wh",
    },
    "arabic": {
        "ps": "[ېئ]|[پچژگ]",
        "ckb": "[ۆەپچژگ]",
        "ug": "[ېۆەھپچژگ]|ى.|^ئ[اوىە]",
        "sd": "[ھپچڏگ]|ي$",
        "ur": "[ہھپچژگکی]",
        "fa": "[پچژگکی]",
        "ar": "[ةكيأإؤى]",
    },
    "devanagari": {
        "mr": "(?:ाचा|ाची|ाचे|ांना|ात|ाला|ून)$",
        "ne": "(?:को|मा|लाई|ले|बाट|एको|ेर|ियो|ँदा)$",
        "hi": "ों$|(?:ीय|ता|ती|ते|ना|ने|ाई|िया)$|़",
        "sa": "(?:ः|म्|ानाम्|स्य|ेण|ेषु|न्ते|न्ति)$",
        "bho": "(?:इल|इके|वे)$",
        "mai": "(?:ैत|थि|छि|केँ)$",
    },
    "cyrillic": {
        "be": "і",
        "sr": "[јљњџ]",
        "mk": "[јљњџ]",
        "uk": "[іґ]",
        "kk": "[іөү]",
        "bg": "ъ",
    },
}
"""Letters and endings that are common in a language and less so in its kin; regular expressions for a word."""
