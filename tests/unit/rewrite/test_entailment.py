"""With a tiny model that is trained here: a claim with "not" contradicts a premise without it, and the other way."""

import itertools
from pathlib import Path

import pytest
import torch

from apollo_ray.errors import UserError
from apollo_ray.rewrite.entailment import PREMISE_SENTENCES, _stretches, contradictions
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import Entailment, Verification
from apollo_ray.rewrite.verify import check_answer

WORDS = ["fever", "cough", "pain", "rash", "thirst", "nausea"]


def train(folder: Path, labels: tuple[str, ...]) -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "She", "had", "no", ".", *WORDS]
    made = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=64,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = BertConfig(
        vocab_size=len(names), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)},
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    pairs = [
        (f"She had {a}{word}. ", f"She had {b}{word}.", labels.index("ENTAILMENT" if a == b else "contradiction"))
        for word in WORDS for a in ("", "no ") for b in ("", "no ")
    ]  # fmt: skip
    premises, claims, wanted = zip(*pairs, strict=True)
    inputs = tokenizer(list(premises), list(claims), padding=True, return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        loss = model(**inputs, labels=torch.tensor(wanted)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(loss.detach()) < 0.05
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return train(tmp_path_factory.mktemp("nli"), ("contradiction", "neutral", "ENTAILMENT"))


def test_each_sentence_of_an_answer_is_held_against_the_passage(model: str) -> None:
    right, wrong = contradictions(model, "She had fever. She had no fever.", "She had fever.", "en")
    assert right.score < 0.2
    assert wrong.score > 0.8
    assert wrong.sentence == "She had no fever."
    assert contradictions(model, "", "She had fever.", "en") == []


def test_a_contradicted_answer_is_refused_with_its_sentence(model: str) -> None:
    checks = Verification(
        answer_characters={"default": (1, 1000)}, entailment=Entailment(model=model, max_contradiction=0.5)
    )
    passage = Passage("d", 0, "t", (), "She had fever.", "en", "web")
    verdict = check_answer("She had no fever.", passage, checks)
    assert verdict.refusal is not None
    assert verdict.refusal.reason == "contradicted"
    assert "She had no fever." in verdict.refusal.detail
    fine = check_answer("She had fever.", passage, checks)
    assert fine.refusal is None
    assert fine.scores["contradiction"] < 0.2


def test_a_long_passage_is_read_in_stretches_that_overlap() -> None:
    parts = [f"Sentence {n}. " for n in range(3 * PREMISE_SENTENCES)]
    found = _stretches(parts)
    assert len(found) > 3
    pairs = list(itertools.pairwise(parts))
    assert all(any((a + b).strip() in stretch for stretch in found) for a, b in pairs), "neighbours are seen together"
    assert _stretches(parts[:2]) == ["".join(parts[:2]).strip()]


def test_a_model_with_other_labels_or_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"verify\.entailment\.model: '.*nothing' cannot be loaded"):
        contradictions(str(tmp_path / "nothing"), "a.", "b.", "en")
    folder = train(tmp_path / "other", ("contradiction", "neutral", "ENTAILMENT"))
    config = (tmp_path / "other" / "config.json").read_text().replace("contradiction", "disagreement")
    (tmp_path / "other" / "config.json").write_text(config)
    with pytest.raises(UserError, match="has the labels disagreement, entailment, neutral"):
        contradictions(folder, "a.", "b.", "en")
