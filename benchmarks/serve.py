"""Tokens per CPU-second of the serving engine beside the published loop and beside transformers' generate.

    python benchmarks/serve.py FOLDER train          # three small models on the English starter texts, once
    python benchmarks/serve.py FOLDER rate 1         # and 8, 32: concurrent requests
    python benchmarks/serve.py FOLDER drafts         # the cost model against measurement, one request at a time
    python benchmarks/serve.py FOLDER prefix         # shared shots
    python benchmarks/serve.py FOLDER report         # Markdown of all that was measured

- generate: transformers, the base alone, one static batch of prompts of one length
- published loop: base, expert and anti-expert one after another in full forwards with KV caches, one request at a time
  (the form of DExperts and of proxy tuning, arXiv 2401.08565), so its rate is that of one request at any concurrency
- engine: this package, the base alone, the ensemble without drafts, and with drafts as the engine chooses them

The base is a small trained model with layers added that change nothing (their output projections are 0), so that it
costs about 20 times the expert. One thread; CPU-seconds of the process; median of the repeats.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, Qwen2Config, Qwen2ForCausalLM

import apollo_ray
from apollo_ray.ensemble import SINGLE, Weights, combine
from apollo_ray.serve.engine import Engine, Request
from apollo_ray.serve.packing import pack
from apollo_ray.serve.proxy import draw, warp
from apollo_ray.serve.speculative import Costs, Drafting, cost_of_weights, measured_costs
from apollo_ray.tokenizer.bpe import train_bpe

ENSEMBLE: Weights = (1.0, 1.0, -1.0)
VOCABULARY, PROMPT, NEW, MOST = 1024, 32, 32, 8
BASE_LAYERS, ADDED_LAYERS, BASE_HIDDEN = 2, 14, 512
SMALL_LAYERS, SMALL_HIDDEN = 2, 256
HELD_OUT = 5  # every fifth text gives prompts and is not trained on
TRIO = ("base", "expert", "anti_expert")


def texts() -> tuple[list[str], list[str]]:
    """(for training, held out) English starter texts."""
    found = []
    for kind in ("documents", "general", "instructions"):
        file = Path(apollo_ray.__file__).parent / "starter" / kind / "en.jsonl"
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.append(row.get("text") or "\n".join(row["conversations"]))
    return [t for i, t in enumerate(found) if i % HELD_OUT], found[::HELD_OUT]


def make(layers: int, hidden: int, seed: int) -> Qwen2ForCausalLM:
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=0,
    )  # fmt: skip
    return Qwen2ForCausalLM(config)


def fit(model: Any, ids: torch.Tensor, seconds: float, rate: float) -> float:
    """Train on random windows for so many CPU-seconds, 50 steps of warm-up and then a falling rate; the last loss."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    start, losses = time.process_time(), []
    model.train()
    while (spent := time.process_time() - start) < seconds:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, len(losses) / 50) * max(0.02, 1 - spent / seconds)
        at = torch.randint(0, len(ids) - 128, (8, 1), generator=generator) + torch.arange(128)
        loss = model(input_ids=ids[at], labels=ids[at]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return statistics.mean(losses[-20:])


def deepen(model: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    """The same function with ADDED_LAYERS more layers to compute."""
    config = Qwen2Config(**{**model.config.to_dict(), "num_hidden_layers": BASE_LAYERS + ADDED_LAYERS,
                            "layer_types": None})  # fmt: skip
    deep = Qwen2ForCausalLM(config)
    deep.load_state_dict(model.state_dict(), strict=False)
    for layer in deep.model.layers[BASE_LAYERS:]:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return deep.eval()


def train(folder: Path, seconds: float) -> None:
    """All on the same texts; the expert goes on from the anti-expert."""
    torch.set_num_threads(1)
    training, held = texts()
    tokenizer = train_bpe(training, VOCABULARY)
    tokenizer.save_pretrained(folder / "tokenizer")
    encoded = [tokenizer(text)["input_ids"] + [0] for text in training]
    everything = torch.tensor([number for some in encoded for number in some])
    unseen = torch.tensor([number for text in held for number in [*tokenizer(text)["input_ids"], 0]])
    base, small = make(BASE_LAYERS, BASE_HIDDEN, 1), make(SMALL_LAYERS, SMALL_HIDDEN, 2)
    losses = {"base": fit(base, everything, seconds, 1e-3)}
    deepen(base).save_pretrained(folder / "base")
    losses["anti_expert"] = fit(small, everything, seconds / 4, 1e-3)
    small.save_pretrained(folder / "anti_expert")
    losses["expert"] = fit(small, everything, seconds / 4, 1e-3)
    small.save_pretrained(folder / "expert")
    rows = unseen[: len(unseen) // 128 * 128].view(-1, 128)
    with torch.inference_mode():
        unseen_losses = {name: one(input_ids=rows, labels=rows).loss.item() for name, one in
                         (("base", base), ("expert", small))}  # fmt: skip
    keep(folder, "train", {"tokens": len(everything), "loss": losses, "held_out_loss": unseen_losses})


def load_trio(folder: Path) -> dict[str, Any]:
    """The three as transformers loads them."""
    torch.set_num_threads(1)
    return {role: AutoModelForCausalLM.from_pretrained(folder / role).eval() for role in TRIO}


def load(folder: Path, held_out: bool = False) -> tuple[dict[str, Any], list[list[int]]]:
    """(models as the endpoint has them, prompts of PROMPT tokens from the texts that they were trained on or not)."""
    models = {role: pack(model) for role, model in load_trio(folder).items()}
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    ids = [number for text in texts()[held_out] for number in tokenizer(text)["input_ids"]]
    step = (len(ids) - PROMPT) // 32
    return models, [ids[at * step : at * step + PROMPT] for at in range(32)]


@torch.inference_mode()
def loop(models: dict[str, Any], prompts: list[list[int]], temperature: float) -> list[list[int]]:
    """The published decoding: one request at a time, three forwards one after another for each token."""
    found = []
    weights = torch.tensor([ENSEMBLE])
    parameters = torch.tensor([temperature]), torch.tensor([0]), torch.tensor([1.0])
    for prompt in prompts:
        caches = {role: DynamicCache(config=model.config) for role, model in models.items()}
        ids, answer = torch.tensor([prompt]), []
        for _ in range(NEW):
            logits = [
                model(input_ids=ids, past_key_values=caches[role], use_cache=True, logits_to_keep=1).logits[:, -1]
                for role, model in models.items()
            ]
            token = int(draw(warp(combine(*logits, weights), *parameters), torch.rand(1)))
            answer.append(token)
            ids = torch.tensor([[token]])
        found.append(answer)
    return found


@torch.inference_mode()
def generate(base: Any, prompts: list[list[int]], temperature: float) -> list[list[int]]:
    """transformers' own decoding of the base."""
    sampling: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {}
    ids = torch.tensor(prompts)
    out = base.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, min_new_tokens=NEW, pad_token_id=0, **sampling
    )
    return out[:, PROMPT:].tolist()  # type: ignore[no-any-return]


def decode(
    engine: Engine, prompts: list[list[int]], temperature: float, weights: Weights = ENSEMBLE
) -> tuple[list[list[int]], list[Request]]:
    requests = [Request(ids, NEW, weights, temperature, seed=seed) for seed, ids in enumerate(prompts)]
    for request in requests:
        engine.add(request)
    while not engine.idle:
        engine.step()
    return [request.output for request in requests], requests


def per_second(work: Callable[[], list[list[int]]]) -> tuple[float, list[list[int]]]:
    """(tokens per CPU-second, answers)."""
    start = time.process_time()
    answers = work()
    return sum(map(len, answers)) / (time.process_time() - start), answers


def rate(folder: Path, concurrent: int, repeats: int, held_out: bool) -> None:
    (models, prompts), plain_models = load(folder, held_out), load_trio(folder)
    many = prompts[: max(4, concurrent)]
    groups = [many[at : at + concurrent] for at in range(0, len(many), concurrent)]
    costs = measured_costs(
        Engine(models, VOCABULARY, concurrent, 128)._forward, concurrent, MOST + 1, clock=time.process_time
    )
    made = {drafts: Engine(models, VOCABULARY, concurrent, 128, drafts=drafts, costs=costs) for drafts in (0, MOST)}
    variants: dict[str, Callable[[float], list[list[int]]]] = {
        "generate, base alone": lambda t: [a for group in groups for a in generate(plain_models["base"], group, t)],
        "engine, base alone": lambda t: [a for g in groups for a in decode(made[0], g, t, SINGLE["base"])[0]],
        "engine, ensemble": lambda t: [a for group in groups for a in decode(made[0], group, t)[0]],
        "engine, ensemble, drafts": lambda t: [a for group in groups for a in decode(made[MOST], group, t)[0]],
    }
    if concurrent == 1:
        variants["published loop"] = lambda t: loop(plain_models, many, t)
    file = folder / (f"rate {concurrent}" + " held out" * held_out + ".json")
    rates: dict[str, list[float]] = json.loads(file.read_text())["rates"] if file.exists() else {}  # runs add up
    answers = {}
    decode(made[MOST], groups[0], 1.0)
    for _ in range(repeats):  # in turn, so that what else the machine does meets all alike
        for temperature in (0.0, 1.0):
            for name, work in variants.items():
                found, answers[name, temperature] = per_second(lambda w=work, t=temperature: w(t))
                rates.setdefault(f"{name} T={temperature:g}", []).append(found)
    plain = "engine, ensemble"
    same = {
        f"drafts T={t:g}": sum(map(list.__eq__, answers[plain, t], answers[f"{plain}, drafts", t])) for t in (0.0, 1.0)
    }
    if concurrent == 1:
        same["loop T=0"] = sum(map(list.__eq__, answers[plain, 0.0], answers["published loop", 0.0]))
    keep(folder, file.stem, {"rates": rates, "same": same, "answers": len(many)})


class _Fixed(Drafting):
    """As many drafts as are asked for."""

    def choose(self, rates: Sequence[float], rooms: Sequence[int], others: Any) -> int:
        return min(self.most, max(rooms))


def drafts(folder: Path, repeats: int) -> None:
    """Speed-up by drafts against none: measured, and by the cost model from measured forwards and from weights."""
    models, prompts = load(folder)
    forward = Engine(models, VOCABULARY, 1, 128)._forward
    measured = measured_costs(forward, 1, MOST + 1, clock=time.process_time)
    parameters = {role: sum(p.numel() for p in model.parameters()) for role, model in load_trio(folder).items()}
    paper = cost_of_weights(parameters)
    found: dict[str, Any] = {"costs_ms": {role: cost(1) * 1e3 for role, cost in measured.items()}, "lines": []}
    found["verify_ms"] = {str(k): measured["base"](k) * 1e3 for k in (1, 3, 5, 9)}
    found["parameters"] = parameters
    for temperature in (0.0, 1.0):
        speeds: dict[int, list[float]] = {}
        acceptance: dict[int, float] = {}
        for _ in range(repeats):
            for number in (0, 1, 2, 4, 6, 8):
                engine = Engine(models, VOCABULARY, 1, 128)
                engine.drafting = _Fixed(number, measured)
                start = time.process_time()
                answers, requests = decode(engine, prompts[:4], temperature)
                speed = sum(map(len, answers)) / (time.process_time() - start)
                speeds.setdefault(number, []).append(speed)
                acceptance[number] = sum(r.accepted for r in requests) / sum(r.drafted for r in requests)
        none = statistics.median(speeds[0])
        for number in list(speeds)[1:]:
            line = {"temperature": temperature, "drafts": number, "acceptance": acceptance[number]}
            line["measured"] = statistics.median(speeds[number]) / none
            for name, costs in (("forwards", measured), ("weights", paper)):
                line[name] = _gain(costs, acceptance[number], number)
            found["lines"].append(line)
    keep(folder, "drafts", found)


def _gain(costs: Costs, acceptance: float, number: int) -> float:
    model = Drafting(number, costs)
    return model.speed(number, [acceptance], [NEW], {}) / model.speed(0, [acceptance], [NEW], {})


def prefix(folder: Path) -> None:
    """Questions behind the same shots, four options each, scored as an evaluation does."""
    models, prompts = load(folder)
    shots = [number for ids in prompts[:12] for number in ids]
    asked = [shots + ids[:20] + [option] * 2 for ids in prompts[16:22] for option in range(5, 9)]
    found: dict[str, Any] = {"requests": len(asked), "tokens": sum(map(len, asked)), "shots": len(shots)}
    for reuse in (False, True):
        engine = Engine(models, VOCABULARY, 8, 512, reuse=reuse)
        requests = [Request(ids, 0, ENSEMBLE, logprobs=1, prompt_logprobs=True) for ids in asked]
        for request in requests:
            engine.add(request)
        start = time.process_time()
        while not engine.idle:
            engine.step()
        found[f"reuse {reuse}"] = time.process_time() - start
        found[f"computed {reuse}"] = sum(len(r.ids) - r.reused for r in requests)
    keep(folder, "prefix", found)


def keep(folder: Path, name: str, values: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(values, indent=1))
    print(name, json.dumps(values))


def report(folder: Path) -> None:
    """What was measured, as Markdown."""
    rates = {n: json.loads((folder / f"rate {n}.json").read_text()) for n in (1, 8, 32)}
    print("| tokens per CPU-second | T | 1 request | 8 | 32 |\n|---|---|---|---|---|")
    alone = rates[1]["rates"]
    for name in alone:
        cells = [statistics.median(r["rates"].get(name, alone[name])) for r in rates.values()]
        bases = [statistics.median(r["rates"][f"generate, base alone {name[-3:]}"]) for r in rates.values()]
        shown = " | ".join(f"{cell:.1f} ({cell / base:.2f}x)" for cell, base in zip(cells, bases, strict=True))
        print(f"| {name[:-4]} | {name[-1]} | {shown} |")
    print("\nAnswers equal to the ensemble without drafts:")
    for n, values in rates.items():
        print(f"- {n} concurrent: {values['same']} of {values['answers']}")
    lines = json.loads((folder / "drafts.json").read_text())["lines"]
    print("\n| T | drafts | acceptance | measured | forwards | weights |\n|---|---|---|---|---|---|")
    for line in lines:
        gains = " | ".join(f"{line[key]:.2f}x" for key in ("measured", "forwards", "weights"))
        print(f"| {line['temperature']:g} | {line['drafts']} | {line['acceptance']:.2f} | {gains} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("part", choices=("train", "rate", "drafts", "prefix", "report"))
    parser.add_argument("concurrent", type=int, nargs="?", default=1)
    parser.add_argument("--seconds", type=float, default=30, help="CPU-seconds of training of the base")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--held-out", action="store_true", help="prompts of texts that no model was trained on")
    arguments = parser.parse_args()
    if arguments.part == "train":
        train(arguments.folder, arguments.seconds)
    elif arguments.part == "rate":
        rate(arguments.folder, arguments.concurrent, arguments.repeats, arguments.held_out)
    elif arguments.part == "drafts":
        drafts(arguments.folder, arguments.repeats)
    elif arguments.part == "prefix":
        prefix(arguments.folder)
    else:
        report(arguments.folder)


if __name__ == "__main__":
    main()
