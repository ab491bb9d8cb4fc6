"""Words that texts on medicine use for one another, so that a paraphrase shares them."""

from functools import cache

# A line: words whose stems count as that of the first.
_SYNONYMS = {
    "en": """
        palpable palpated palpation felt feel
        fever febrile feverish
        pain pains painful hurt hurts ache aching tender tenderness sore
        visible visualized visualised
        recurrence recurred recurrent relapse relapsed relapses reappeared reappearance
        metastasis metastases metastatic metastasized
        allergy allergic allergies hypersensitivity
        smoke smoker smoking smoked smokers tobacco cigarettes
        alcohol drinking drinker drinkers
        vaccine vaccines vaccinated vaccination immunised immunized immunisation immunization
        contagious transmit transmitted transmission transmissible
        death died die deaths fatal mortality dead
        surgery surgical operation operated operate
        trauma injury injuries injured traumatic
        lump mass tumour tumor
        enlarged enlargement
        bleeding bleed bled haemorrhage hemorrhage haemorrhagic hemorrhagic
        swelling swollen oedema edema
        effective efficacy effect effectiveness works worked
        approved approval licensed licence authorised authorized authorization
        recommended recommend recommends advised advise advises
        allowed allow permitted permit
        required require requires needed need needs necessary
        known knew knows
        evidence proof proven proved
        vomiting vomit vomited
        cough coughing coughed
        relatives relative family familial
        drug drugs medication medications medicine medicines
        limitation limited restricted restriction
        ill sick illness sickness
        narrowing stenosis restenosis stenotic
        fracture fractures fractured broken broke
        rash rashes eruption
        tiredness tired fatigue fatigued
        breathlessness breathless dyspnoea dyspnea
        jaundice jaundiced icterus icteric
        itching itch pruritus itchy
        seizure seizures convulsion convulsions fits
        diabetes diabetic
        cancer cancerous malignant malignancy carcinoma
        inherited hereditary genetic
        children child kids paediatric pediatric
        doctor doctors physician physicians
        pregnancy pregnant
        symptom symptoms asymptomatic symptomatic""",
    "es": """
        palpable palpaba palpaban palparon palpación palpar
        fiebre febril febrícula
        dolor dolores doloroso dolorosa dolía duele molestias
        recidiva recidivas recurrencia recaída recaídas reapareció
        metástasis metastásico metastásica
        alergia alergias alérgico alérgica alérgicas
        fumador fumadora fumaba fuma tabaquismo tabaco
        alcohol bebedor bebía enolismo etilismo
        vacuna vacunas vacunado vacunada vacunación
        contagioso contagia contagiar transmitir transmisión contagio
        muerte murió fallecer fallecimiento falleció mortalidad
        cirugía quirúrgico quirúrgica operación operar intervención
        sangre sangrado hemorragia hemorragias sangraba hemático
        eficaz eficacia efectivo efectividad
        aprobado aprobó aprobación autorizado autorizó
        recomendó recomienda aconseja aconsejó
        permite permitió permitido
        necesario necesidad necesita necesitó precisó precisa requirió requiere
        fármaco fármacos medicamento medicamentos medicación
        familiares familia familiar
        renal renales nefrológico nefrológicos riñón riñones
        hepático hepática hígado
        cardíaco cardíaca cardiológico corazón
        pulmonar pulmonares pulmón pulmones
        adherida adherido adherencias pegada pegado
        aumentado agrandado agrandados aumento engrosado
        vómitos vómito vomitó vomitaba
        tos tosía
        traumatismo traumatismos trauma golpe
        cálculos litiasis litiásica litiásico
        edema edemas hinchazón hinchado
        tumor tumoral tumoración masa bulto
        enfermedad enfermo enferma enfermos
        tratamiento tratado tratada
        tolerancia toleraba toleró tolerado
        inflamación inflamatorio inflamatorios inflamatoria inflamado
        infección infecciosa infeccioso infectado""",
    "fr": """
        palpable palpé palpée palpation
        fièvre fébrile fébricule
        douleur douleurs douloureux douloureuse mal souffrait
        récidive récidives rechute rechutes réapparition
        métastase métastases métastatique
        allergie allergies allergique allergiques
        fumeur fumeuse fumait fume tabac tabagisme
        alcool buvait alcoolisme éthylisme
        vaccin vaccins vacciné vaccinée vaccinés vaccination
        contagieux contagion transmettre transmission contage
        mort décès décédé mortalité morts
        chirurgie chirurgical chirurgicale opération opéré opérée intervention
        saignement saignait hémorragie hémorragies hémorragique
        efficace efficacité
        approuvé autorisé autorisation approbation
        recommandé conseille conseillé recommande
        nécessaire nécessité besoin nécessite
        médicament médicaments traitement traitements
        famille familial familiale familiaux
        diabète diabétique diabétiques
        anémie anémique anémies
        inflammation inflammatoire inflammatoires enflammé enflammée
        infection infectieux infectieuse infecté
        grossesse enceinte
        vomissement vomissements vomi
        toux toussait
        traumatisme traumatismes traumatique
        gonflement gonflé oedème oedèmes tuméfaction
        tumeur tumoral tumorale masse
        greffe greffon greffons
        malade malades maladie
        déficit déficits paralysie
        adénopathie adénopathies ganglion ganglions
        autre autres""",
    "hi": """
        बुखार ज्वर
        दर्द पीड़ा वेदना
        लक्षण लक्षणों
        टीका टीके टीकों वैक्सीन टीकाकरण
        दवा दवाई दवाओं औषधि औषधियों दवाइयाँ
        मृत्यु मौत मौतें मौतों मारे मरे
        मरीज़ मरीज मरीज़ों रोगी रोगियों
        रोग बीमारी बीमारियों बीमार
        इलाज उपचार चिकित्सा
        असरदार प्रभावी प्रभावशाली कारगर असर प्रभाव
        मंज़ूरी मंजूरी स्वीकृति अनुमोदन स्वीकृत
        इजाज़त इजाजत अनुमति
        ज़रूरत जरूरत आवश्यकता ज़रूरी आवश्यक जरूरी
        सलाह सिफ़ारिश सिफारिश अनुशंसा
        उम्मीद आशा अपेक्षा
        पता मालूम ज्ञात जानकारी
        जाँच जांच परीक्षण टेस्ट
        शुरू आरंभ शुरुआत प्रारंभ
        ख़ास खास उल्लेखनीय विशेष विशिष्ट
        छात्र छात्रों विद्यार्थी विद्यार्थियों
        असली मूल वास्तविक
        तय स्थापित निर्धारित
        इस्तेमाल उपयोग प्रयोग
        फैलाव प्रसार संचरण फैलता फैलने
        संक्रमण संक्रमित
        सबूत प्रमाण साक्ष्य
        लोग व्यक्ति व्यक्तियों
        बच्चे बच्चों बालक
        हृदय दिल
        गुर्दे गुर्दों वृक्क किडनी
        ख़ून खून रक्त रक्तस्राव
        तारीख़ तारीख तिथि
        नया नई नए
        सूचित रिपोर्ट सामने दर्ज
        ठीक स्वस्थ
        ख़तरा खतरा जोखिम""",
    "ar": """
        حمى حرارة
        ألم آلام وجع ألما
        أعراض عرض
        لقاح لقاحات تطعيم تلقيح
        دواء أدوية عقار عقاقير
        وفاة وفيات موت مات توفي
        علاج معالجة علاجا
        مرض أمراض داء
        فعال فعالة فعالية مفيد مفيدة أفاد
        موافقة اعتماد ترخيص
        توصية توصي أوصى ينصح تنصح
        دليل أدلة إثبات
        فحص اختبار فحوص فحوصات اختبارات
        انتقال انتشار ينتقل ينتشر
        نزيف نزف
        تشخيص شخصت تشخص
        ضرر ضار ضارة يضر تضر
        لازم ضروري ضرورة يلزم حاجة يحتاج تحتاج
        مستشفى مشفى مستشفيات
        رئة رئوي رئوية رئتين
        قلب قلبي قلبية
        كبد كبدي كبدية
        كلية كلوي كلوية
        تعقب تتبع تراقب مراقبة نتتبع
        خطر خطورة مخاطر""",
}


@cache
def lines(lang: str) -> list[list[str]]:
    return [line.split() for line in _SYNONYMS.get(lang, "").split("\n") if line.strip()]
