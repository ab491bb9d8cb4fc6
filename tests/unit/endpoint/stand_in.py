"""An endpoint in this process, with a byte for a token, that does everything right but for the faults it is given."""

import codecs
import math
import random
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import count
from typing import Any

from apollo_ray.endpoint.client import RefusedError, Reply

END = 256
MOST = 600  # tokens of prompt and answer
KEY = "right"
KNOWN = frozenset(
    [
        "model",
        "prompt",
        "messages",
        "max_tokens",
        "temperature",
        "logprobs",
        "echo",
        "seed",
        "stop",
        "stop_token_ids",
        "logit_bias",
        "stream",
        "stream_options",
        "proxy",
    ]
)
SINGLE = {"base": (1, 0, 0), "expert": (0, 1, 0)}


@cache
def _logits(role: int, last: int) -> list[float]:
    """Of the next token after `last`, for one of three small models."""
    source = random.Random(f"{role} {last}")
    return [source.gauss(0, 2) for _ in range(END)] + [-4.0]


@cache
def _logprobs(weights: tuple[float, float, float], last: int) -> list[float]:
    mixed = [
        sum(w * x for w, x in zip(weights, row, strict=True))
        for row in zip(*(_logits(r, last) for r in range(3)), strict=True)
    ]
    whole = math.log(sum(map(math.exp, mixed)))
    return [logit - whole for logit in mixed]


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"error": {"message": message, "type": "x", "param": None, "code": None}})


class StandIn:
    """`faults`: see where each is asked for. `stock`: another make, with OpenAI's routes alone."""

    has_key = True

    def __init__(self, *faults: str, stock: bool = False) -> None:
        self.faults, self.stock = set(faults), stock
        self._calls = count()

    def ask(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Reply:
        body = dict(body or {})
        if key is not None and key != KEY and "open" not in self.faults:
            return Reply(500, "proxy error") if "wrong key is 500" in self.faults else _error(401, "wrong key")
        if path == "/v1/models":
            return self._models()
        if path in ("/tokenize", "/detokenize", "/tokenizer_info"):
            return _error(404, "Not Found") if self.stock else self._tokenizer(path, body)
        refused = self._refusal(body)
        if refused is not None:
            return Reply(refused.status, "no") if "errors are plain" in self.faults else refused
        return Reply(200, self._answer(path, body))

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[Any]:
        reply = self.ask(path, body)
        if reply.status != 200:
            raise RefusedError(reply)
        [choice] = reply.body["choices"]
        tokens, text = choice.pop("tokens"), choice.pop("whole")
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pieces = [decoder.decode(bytes([token])) for token in tokens if token != END]
        pieces.append(decoder.decode(b"", final=True))
        if "broken characters" in self.faults:
            pieces = [bytes([token]).decode(errors="replace") for token in tokens if token != END]
        if "stream loses a piece" in self.faults:
            pieces = [piece for piece in pieces if piece][1:]
        left = len(text)
        for piece in pieces:
            part = piece[:left] if "broken characters" not in self.faults else piece
            left -= len(part)
            yield {"choices": [self._said(path, part, None)], "usage": None}
        yield {"choices": [self._said(path, "", choice["finish_reason"])], "usage": None}
        yield {"choices": [], "usage": None if "stream has no usage" in self.faults else reply.body["usage"]}

    @staticmethod
    def _said(path: str, piece: str, finish: str | None) -> dict[str, Any]:
        said = {"delta": {"content": piece}} if "chat" in path else {"text": piece}
        return said | {"finish_reason": finish}

    def _models(self) -> Reply:
        if "asks for a key" in self.faults:
            return _error(401, "missing key")
        maker = "another" if self.stock else "apollo_ray"
        entry: dict[str, Any] = {"id": "ensemble", "owned_by": maker}
        if not self.stock:
            entry |= {"alpha": 1.0, "max_model_len": MOST}
        return Reply(200, {"data": [] if "no models" in self.faults else [entry, {"id": "base", "owned_by": maker}]})

    def _tokenizer(self, path: str, body: dict[str, Any]) -> Reply:
        if path == "/tokenizer_info":
            return Reply(200, {} if "no end token" in self.faults else {"eos_token": "<end>"})
        if path == "/detokenize":
            text = bytes(body["tokens"]).decode()
            return Reply(
                200, {"prompt": text.encode("ascii", "ignore").decode() if "loses letters" in self.faults else text}
            )
        ids = self._ids(body["prompt"]) + ([0] if "tokenize adds" in self.faults and body["add_special_tokens"] else [])
        return Reply(200, {"tokens": ids, "count": len(ids)})

    @staticmethod
    def _ids(prompt: str | list[Any]) -> list[int]:
        if isinstance(prompt, list):
            return list(prompt[0])
        return [END] if prompt == "<end>" else list(prompt.encode())

    def _refusal(self, body: dict[str, Any]) -> Reply | None:
        name = body["model"].partition("@")[0]
        if name not in ("ensemble", *SINGLE) and "any model" not in self.faults:
            return _error(404, "no such model")
        if (unknown := set(body) - KNOWN) and not ({"ignores fields"} & self.faults or self.stock):
            return _error(400, f"unknown: {unknown}")
        if (
            "messages" not in body
            and len(self._ids(body["prompt"])) + body["max_tokens"] > MOST
            and "cuts prompts" not in self.faults
        ):
            return _error(400, "maximum context length")
        return None

    def _weights(self, body: dict[str, Any]) -> tuple[float, float, float]:
        name, _, alpha = body["model"].partition("@")
        alpha = body.get("proxy", {}).get("alpha", float(alpha or 1))
        return SINGLE.get(name) or ((1, 1, -1) if "alpha is ignored" in self.faults else (1, alpha, -alpha))

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        ids = self._ids(body["prompt"] if "prompt" in body else body["messages"][0]["content"])[-MOST:]
        weights, most = self._weights(body), body["max_tokens"]
        bias = {int(token): value for token, value in body.get("logit_bias", {}).items()}
        seed = next(self._calls) if "seeds are ignored" in self.faults else body.get("seed")
        source = random.Random(0 if "one seed for all" in self.faults else seed)
        ends = {*body.get("stop_token_ids", []), END}
        out: list[int] = []
        while len(out) < most:
            shaped = [x + bias.get(token, 0) for token, x in enumerate(_logprobs(weights, (ids + out)[-1]))]
            out.append(self._draw(shaped, body.get("temperature", 1), source))
            if out[-1] in ends and "never ends" not in self.faults:
                break
        finish = "stop" if out and out[-1] in ends and "never ends" not in self.faults else "length"
        text = bytes(
            token for token in out if token != END and not (finish == "stop" and token == out[-1] and len(out) == 1)
        ).decode(errors="replace")
        for stop in body.get("stop", []):
            if stop in text:
                text, finish = text[: text.index(stop) + len(stop) * ("keeps stops" in self.faults)], "stop"
        choice: dict[str, Any] = {"finish_reason": finish, "tokens": out, "whole": text}
        choice |= {"message": {"content": text}} if "chat" in path else {"text": text}
        if body.get("logprobs"):
            choice["logprobs"] = self._scores(ids, out, weights, body)
        if body.get("proxy", {}).get("attribution"):
            rows = zip(out, [ids[-1], *out], strict=False)
            drift = 0.3 if weights[1] or "attribution drifts" in self.faults else 0.0
            choice["proxy"] = {
                "attribution": [
                    {"base": _logprobs((1, 0, 0), last)[token], "divergence": drift} for token, last in rows
                ]
            }
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(out), "total_tokens": len(ids) + len(out)}
        return {"choices": [choice], "usage": usage, "proxy": {"alpha": weights[1]}}

    @staticmethod
    def _draw(logits: list[float], temperature: float, source: random.Random) -> int:
        if temperature == 0:
            return max(range(len(logits)), key=logits.__getitem__)
        most = max(logits)
        return source.choices(range(len(logits)), [math.exp((x - most) / temperature) for x in logits])[0]

    def _scores(
        self, ids: list[int], out: list[int], weights: tuple[float, float, float], body: dict[str, Any]
    ) -> dict[str, list[Any]]:
        whole = ids + out if body.get("echo") else out
        before = ids + out
        start = len(before) - len(whole)
        found: dict[str, list[Any]] = {"tokens": whole, "text_offset": whole, "token_logprobs": [], "top_logprobs": []}
        for place in range(start, len(before)):
            if place == 0:
                found["token_logprobs"].append(None)
                found["top_logprobs"].append(None)
                continue
            mix = (1.0, 0.0, 0.0) if "base scores prompts" in self.faults and body.get("echo") else weights
            row = _logprobs(mix, before[place - 1])
            if "more than 1" in self.faults:
                row = [x + 2 for x in row]
            likeliest = sorted(range(len(row)), key=lambda token, row=row: -row[token])[: body["logprobs"]]
            found["top_logprobs"].append({f"t{token}": row[token] for token in {*likeliest, before[place]}})
            rounded = round(row[before[place]], 2) - 0.01 if "rounds" in self.faults else row[before[place]]
            found["token_logprobs"].append(rounded)
        if "echo lacks a score" in self.faults:
            found["token_logprobs"].pop()
        if "first has a score" in self.faults:
            found["token_logprobs"][0] = -1.0
        return found
