"""lm-eval's own client against an endpoint, and what it must get: a computation without caches, batches or HTTP."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CASES = {
    "en": ("Which drug lowers blood pressure?\nAnswer:", [" Amlodipine", " Paracetamol", " Insulin"]),
    "zh": ("哪种药物可以降低血压?\n答案:", ["氨氯地平", "对乙酰氨基酚", "胰岛素"]),
    "hi": ("कौन सी दवा रक्तचाप कम करती है?\nउत्तर:", [" एम्लोडिपिन", " पैरासिटामोल", " इंसुलिन"]),
    "es": ("¿Qué fármaco baja la presión arterial?\nRespuesta:", [" Amlodipino", " Paracetamol", " Insulina"]),
    "fr": ("Quel médicament abaisse la pression artérielle ?\nRéponse :", [" Amlodipine", " Paracétamol", " Insuline"]),
    "ar": ("أي دواء يخفض ضغط الدم؟\nالجواب:", [" أملوديبين", " باراسيتامول", " الأنسولين"]),
}
"""A question with three answers in each of the six languages."""

PAIRS = [(context, answer) for context, answers in CASES.values() for answer in answers]


def client(address: str, key: str = "", **options: Any) -> Any:
    """`local-completions` of `address` (.../v1), with the endpoint's tokenizer over HTTP unless told otherwise."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    given = {"model": "ensemble", "max_length": 256, "auth_token": key, "header": {"Authorization": f"Bearer {key}"}}
    return LocalCompletionsAPI(base_url=f"{address}/completions", **{**given, **options})


def ask(model: Any, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """`loglikelihood`, `loglikelihood_rolling` or `generate_until` as lm-eval's evaluator calls them."""
    from lm_eval.api.instance import Instance

    instances = [Instance(method, {}, one, index) for index, one in enumerate(arguments)]  # type: ignore[arg-type]
    return list(getattr(model, method)(instances))


class Direct:
    """base + alpha * (expert - anti-expert) over the shared ids: float32, one whole forward for each question."""

    def __init__(self, folders: Mapping[str, str | Path], alpha: float) -> None:
        torch.set_num_threads(1)
        self.tokenizer = AutoTokenizer.from_pretrained(folders["base"])
        self.alpha = alpha
        self._models = [
            AutoModelForCausalLM.from_pretrained(folders[role], dtype=torch.float32).eval()
            for role in ("base", "expert", "anti_expert")
        ]

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def logprobs(self, ids: list[int]) -> torch.Tensor:
        """[tokens, shared ids]"""
        width = len(self.tokenizer)
        base, expert, anti = (model(torch.tensor([ids])).logits[0, :, :width] for model in self._models)
        return (base + self.alpha * (expert - anti)).log_softmax(-1)

    def loglikelihood(self, context: list[int], continuation: list[int]) -> tuple[float, bool]:
        """(sum of the continuation's log-probabilities, whether each of its tokens was the likeliest)."""
        ids = context + continuation
        rows = self.logprobs(ids)[len(context) - 1 : -1]
        chosen = rows[torch.arange(len(continuation)), torch.tensor(continuation)]
        return float(chosen.double().sum()), rows.argmax(-1).tolist() == continuation

    def greedy(self, context: list[int], most: int) -> list[int]:
        """The likeliest tokens one by one, without an end token."""
        answer: list[int] = []
        while len(answer) < most:
            token = int(self.logprobs(context + answer)[-1].argmax())
            if token == self.tokenizer.eos_token_id:
                break
            answer.append(token)
        return answer


def check(model: Any, direct: Direct, tolerance: float = 1e-4) -> float:
    """Everything that lm-eval asks of a `local-completions` model; returns the largest difference found.

    Texts in six languages, greedy flags of token ids, rolling windows and generation up to a stop string.
    """
    worst = check_texts(model, direct)
    contexts = [direct.encode(context) for context, _ in CASES.values()]
    likeliest = [direct.greedy(context, 6) for context in contexts]
    spoiled = [[*ids[:-1], (ids[-1] + 1) % len(direct.tokenizer)] for ids in likeliest]
    asked = [(None, context, ids) for some in (likeliest, spoiled) for context, ids in zip(contexts, some, strict=True)]
    flags = []
    for (_, context, ids), (found, greedy) in zip(asked, model._loglikelihood_tokens(asked), strict=True):
        worst.append(abs(found - direct.loglikelihood(context, ids)[0]))
        flags.append(greedy)
    assert flags == [True] * len(likeliest) + [False] * len(spoiled)

    worst += check_rolling(model, direct)
    check_generation(model, direct)
    assert max(worst) < tolerance, max(worst)
    return max(worst)


def check_texts(model: Any, direct: Direct) -> list[float]:
    """Differences of the answers' log-likelihoods in six languages."""
    differences = []
    for (context, answer), (found, greedy) in zip(PAIRS, ask(model, "loglikelihood", PAIRS), strict=True):
        ids, cut = direct.encode(context + answer), len(direct.encode(context))
        wanted, flag = direct.loglikelihood(ids[:cut], ids[cut:])
        differences.append(abs(found - wanted))
        assert greedy is flag, (context, answer)
    return differences


def check_rolling(model: Any, direct: Direct) -> list[float]:
    """Differences of whole texts: one of a single window, one of several, in which each token counts once."""
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    texts = [CASES["es"][0], " ".join(context for context, _ in CASES.values()) * 4]
    differences = []
    for text, found in zip(texts, ask(model, "loglikelihood_rolling", [(text,) for text in texts]), strict=True):
        windows = [
            make_disjoint_window(window)
            for window in get_rolling_token_windows(
                direct.encode(text), direct.tokenizer.eos_token_id, model.max_length - 1, 1
            )
        ]
        assert sum(len(ids) for _, ids in windows) == len(direct.encode(text))
        differences.append(abs(found - sum(direct.loglikelihood(*map(list, window))[0] for window in windows)))
    assert len(windows) > 1, "the last text was to need several windows"
    return differences


def check_generation(model: Any, direct: Direct) -> None:
    """Greedy text up to a stop string, which is taken from the text itself where that is no half of a character."""
    asked, wanted = [], []
    for context, answer in PAIRS:
        text = direct.tokenizer.decode(direct.greedy(direct.encode(context + answer), 12))
        stop = text.partition("\ufffd")[0][2:4]
        if len(stop) == 2 and len(asked) < 3:
            asked.append((context + answer, {"until": [stop], "max_gen_toks": 12, "temperature": 0}))
            wanted.append(text.partition(stop)[0])
    assert len(asked) == 3
    assert ask(model, "generate_until", asked) == wanted
