from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from apollo_ray.corpus.deidentify import Span, deidentify
from apollo_ray.corpus.deidentify.model import ModelEngine, _load
from apollo_ray.errors import UserError

WORDS = ["nadia", "haddad", "omar", "saw", "the", "nurse", "in", "tunis", "and", "left", ",", "."]
LABELS = ["O", "B-PER", "I-PER", "B-LOC"]
LABEL_OF = {"nadia": 1, "haddad": 2, "omar": 1, "tunis": 3}
NAMES = {"PER": "NAME"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model with weights set by hand: it knows which words are names; windows of 16 tokens."""
    path = tmp_path_factory.mktemp("names")
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=16
    ).save_pretrained(path)  # fmt: skip
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)},
    )  # fmt: skip
    model = BertForTokenClassification(config)
    layer, embeddings = model.bert.encoder.layer[0], model.bert.embeddings
    with torch.no_grad():
        for silent in (
            layer.attention.output.dense,
            layer.output.dense,
            embeddings.position_embeddings,
            embeddings.token_type_embeddings,
            model.classifier,
        ):
            for parameter in silent.parameters():
                parameter.zero_()
        classes = torch.eye(len(LABELS)).repeat_interleave(4, dim=1)  # four of sixteen numbers stand for a label
        answers = [LABEL_OF.get(word, 0) for word in vocabulary]
        embeddings.word_embeddings.weight.copy_(classes[answers])
        model.classifier.weight.copy_(classes)
    model.save_pretrained(path)
    yield str(path)
    _load.cache_clear()


def found(engine: ModelEngine, text: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.type) for s in engine.find(text, "en")]


def test_spans_join_the_tokens_of_a_name_and_only_mapped_labels_count(folder: str) -> None:
    text = "the nurse saw nadia haddad, omar in tunis."
    assert found(ModelEngine(folder, NAMES), text) == [("nadia haddad", "NAME"), ("omar", "NAME")]
    assert ("tunis", "ADDRESS") in found(ModelEngine(folder, {**NAMES, "B-LOC": "ADDRESS"}), text)
    assert found(ModelEngine(folder, {}), text) == found(ModelEngine(folder, NAMES), text)


def test_text_longer_than_a_window_is_read_to_its_end(folder: str) -> None:
    text = "the nurse left and " * 40 + "nadia haddad left . " + "the nurse " * 40 + "omar"
    assert found(ModelEngine(folder, NAMES), text) == [("nadia haddad", "NAME"), ("omar", "NAME")]


def test_min_score(folder: str) -> None:
    assert found(ModelEngine(folder, NAMES, 1.1), "nadia") == []


@pytest.mark.parametrize("text", ["", "   ", "\0", "\ud800 nadia", "😀", "\n"])
def test_any_text_is_taken(folder: str, text: str) -> None:
    spans = ModelEngine(folder, NAMES).find(text, None)
    assert [s for s in spans if text[s.start : s.end] == "nadia"] == ([Span(2, 7, "NAME")] if "nadia" in text else [])


def test_the_rules_and_the_model_together(folder: str) -> None:
    texts = ["nadia haddad saw Dr. Omar, MRN: 00482917", "haddad left, omar left"]
    cleaned, counts = deidentify(texts, "en", ModelEngine(folder, NAMES))
    assert cleaned[0] == "[NAME_1] saw Dr. [NAME_2], MRN: [RECORD_1]"
    assert cleaned[1] == "[NAME_1] left, [NAME_2] left"
    assert counts == Counter(NAME=4, RECORD=1)
    assert deidentify(cleaned, "en", ModelEngine(folder, NAMES)) == (cleaned, Counter())


def test_the_model_is_loaded_once_a_process(folder: str) -> None:
    for _ in range(2):
        ModelEngine(folder, NAMES).find("nadia", None)
    assert _load.cache_info().misses == 1


def test_a_type_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="PERSONA"):
        ModelEngine("anything", {"PER": "PERSONA"})


def test_labels_that_the_model_has_not_are_refused(folder: str) -> None:
    with pytest.raises(UserError, match="B-LOC"):
        ModelEngine(folder, {"DOCTOR": "NAME"}).find("nadia", None)
