from pathlib import Path

import pytest

from apollo_ray.tokenizer.bpe import END_TOKEN, train_bpe

TEXTS = {
    "en": "The patient doesn't take 20 mg a day;\n\nshe takes 2.5 mg.",
    "zh": "患者每天服用20毫克，连续三天。",
    "hi": "रोगी को दिन में तीन बार 20 मिलीग्राम दवा लेनी चाहिए।",
    "es": "El paciente tomó 20 mg al día, sin fiebre.",
    "fr": "L'enfant n'a pas de fièvre depuis 48 heures.",
    "ar": "يتناول المريض ٢٠ ملغ مرتين يوميًّا ولا يعاني من الحُمّى.",
}


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(list(TEXTS.values()) * 3, 500)


@pytest.mark.parametrize("lang", TEXTS)
def test_every_text_comes_back(tokenizer, lang: str) -> None:
    assert tokenizer.decode(tokenizer(TEXTS[lang])["input_ids"]) == TEXTS[lang]


def test_ids_stay_the_same_beside_a_model_that_was_made_from_nothing(tokenizer, tmp_path: Path) -> None:
    """transformers reads a tokenizer by the class that belongs to the model's configuration."""
    from transformers import AutoTokenizer, Qwen2Config

    tokenizer.save_pretrained(tmp_path)
    Qwen2Config(vocab_size=len(tokenizer)).save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert len(again) == len(tokenizer)
    assert again.eos_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids(END_TOKEN)
    for text in TEXTS.values():
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
