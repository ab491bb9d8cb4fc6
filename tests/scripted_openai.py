"""A scripted OpenAI server for tests and benchmarks: python tests/scripted_openai.py --port 8001 --faults 0.2

A reply is a function of its prompt, so that any order of requests gives the same pairs: a question about the passage's
first words, an answer made of the passage's sentences, a dialogue of both, a judge's yes. Some prompts (by their hash)
get replies that must be refused. Transport fails by chance: 429 with Retry-After, 500, 503, garbage, a cut connection, an answer too late.

GET /stats tells what was paid for: a reply counts when it was sent whole to a client that was still there.
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import time
from collections import Counter
from typing import Any

LABEL = re.compile(r"\n\n([^\n]{2,20}?)\s?[:：]\n")
LANGUAGE = {
    "Passage": "en", "Reference": "en", "Text": "en", "内容": "zh", "参考内容": "zh", "अंश": "hi", "संदर्भ": "hi", "सामग्री": "hi",
    "Fragmento": "es", "Referencia": "es", "Contenido": "es", "Référence": "fr", "Contenu": "fr", "المقطع": "ar",
    "المرجع": "ar", "المادة": "ar",
}  # fmt: skip
QUESTIONS = {
    "en": "What is known about the matter of {}?",
    "zh": "关于{}这个问题，有哪些需要了解的？",
    "hi": "{} के विषय में कौन-सी बातें जानने योग्य हैं?",
    "es": "¿Qué conviene saber sobre la cuestión de {}?",
    "fr": "Que faut-il savoir au sujet de {} ?",
    "ar": "ما الذي ينبغي معرفته عن مسألة {}؟",
}
DIALOGUE_SIGNS = ("conversation alone", "只输出对话", "केवल बातचीत", "únicamente con la conversación", "uniquement par la conversation", "المحادثة وحدها")  # fmt: skip
ANSWER_SIGNS = {"Reference", "参考内容", "संदर्भ", "Referencia", "Référence", "المرجع"}
JUDGED = {
    "single word: yes or no": ("Yes.", "No"), "只用一个词回答": ("是", "否。"), "एक ही शब्द में उत्तर": ("हाँ।", "नहीं"),
    "una sola palabra: sí": ("Sí", "No."), "un seul mot : oui": ("Oui.", "Non"), "أجب بكلمة واحدة": ("نعم", "لا"),
}  # fmt: skip
CONTENT_FAULTS = ("unwilling", "wrong_language", "length", "empty", "mentions_reference")
TRANSPORT_FAULTS = ("429", "500", "503", "garbage", "html", "cut", "late")


def passage_of(prompt: str) -> tuple[str, str, bool]:
    """(passage, language, whether an answer is asked for) of one of the project's prompts."""
    match = next((m for m in LABEL.finditer(prompt) if m[1] in LANGUAGE), None)
    if match is None:
        return prompt, "en", False
    lang = LANGUAGE[match[1]]
    if match[1] == "Passage" and "passage au sujet" in prompt:
        lang = "fr"
    return prompt[match.end() :], lang, match[1] in ANSWER_SIGNS


def reply_to(prompt: str, content_faults: float) -> tuple[str, str]:
    """(text, finish_reason)."""
    digest = hashlib.blake2b(prompt.encode(), digest_size=8).digest()
    chance = int.from_bytes(digest, "big") / 2**64
    judged = next((words for sign, words in JUDGED.items() if sign in prompt), None)
    if judged:
        return judged[chance < content_faults], "stop"
    passage, lang, answers = passage_of(prompt)
    fault = CONTENT_FAULTS[digest[0] % len(CONTENT_FAULTS)] if chance < content_faults else None
    if fault == "unwilling":
        return "I'm sorry, but as an AI language model I cannot help with that.", "stop"
    if fault == "wrong_language":
        other = (
            "Dies ist ein deutscher Satz, der mit der gestellten Aufgabe und ihrer Sprache nichts zu tun hat, oder? "
        )
        return other * 2 if answers else other, "stop"
    if fault == "empty":
        return " ", "stop"
    if fault == "mentions_reference" and not answers:
        return {"en": "What does the text say about it?", "zh": "根据上文，应当注意什么？"}.get(lang, " "), "stop"
    finish = "length" if fault == "length" else "stop"
    if any(sign in prompt for sign in DIALOGUE_SIGNS):
        patient, doctor = re.findall(r"[\"“«] ?([^\"”»“«:：]{2,12}?) ?[:：][ \"”»]", prompt)[:2]
        half = len(passage) // 2
        asked = QUESTIONS[lang].format(passage[:20].split("\n")[0])
        turns = [(patient, asked), (doctor, passage[:half]), (patient, asked), (doctor, passage[half:])]
        return "\n".join(f"{who}: {' '.join(said.split())}" for who, said in turns), finish
    if answers:
        return passage[:1500], finish
    return QUESTIONS[lang].format(" ".join(passage[:40].split()) + digest.hex()[:4]), finish


class Server:
    def __init__(self, delay_s: float, faults: float, content_faults: float, seed: int) -> None:
        self.delay_s, self.faults, self.content_faults = delay_s, faults, content_faults
        self.random = random.Random(seed)
        self.paid: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()  # what became of requests
        self.under_way = self.most_under_way = 0
        self.busy_s, self.first, self.last = 0.0, 0.0, 0.0
        self.bodies: list[dict[str, Any]] = []  # the last requests
        self.keys: set[str] = set()  # that clients sent

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.keys |= set(re.findall(r"authorization: *bearer +(\S+)", head, re.IGNORECASE))
                length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                if head.startswith("GET /stats"):
                    await self._send(writer, 200, json.dumps(self.stats()).encode())
                elif head.startswith("GET"):
                    await self._send(writer, 200, b'{"object": "list", "data": []}')
                elif not await self._complete(json.loads(body), reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def stats(self) -> dict[str, Any]:
        return {
            "prompts_paid": len(self.paid),
            "paid_twice": sum(times > 1 for times in self.paid.values()),
            "seen": dict(self.seen),
            "most_under_way": self.most_under_way,
            "busy_s": self.busy_s,
            "wall_s": self.last - self.first,
        }

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: bytes, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(body)}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    async def _complete(
        self, request: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """False ends the connection."""
        self.bodies = [*self.bodies[-20:], request]
        prompt = request["messages"][-1]["content"]
        fault = self.random.choice(TRANSPORT_FAULTS) if self.random.random() < self.faults else None
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        begun = time.monotonic()
        self.first = self.first or begun
        try:
            await asyncio.sleep(self.delay_s)
            self.seen[fault or "answered"] += 1
            if fault == "429":
                await self._send(writer, 429, b'{"error": {"message": "slow down"}}', "retry-after: 0.05")
            elif fault in ("500", "503"):
                await self._send(writer, int(fault), b'{"error": {"message": "broken"}}')
            elif fault == "garbage":
                await self._send(writer, 200, b'{"choices": [{"message": 7}]}')
            elif fault == "html":
                await self._send(writer, 200, b"<html>proxy error</html>")
            elif fault == "late":
                await asyncio.sleep(30)
                return False
            text, finish = reply_to(prompt, self.content_faults)
            answer = {
                "id": "1", "object": "chat.completion", "created": 0, "model": request["model"],
                "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4},
            }  # fmt: skip
            data = json.dumps(answer, ensure_ascii=False).encode()
            if fault == "cut":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data[: len(data) // 2])
                await writer.drain()
                return False
            if fault is None and not reader.at_eof():
                await self._send(writer, 200, data)
                self.paid[hashlib.blake2b(json.dumps(request, sort_keys=True).encode()).hexdigest()] += 1
            return not reader.at_eof()
        finally:
            self.under_way -= 1
            self.last = time.monotonic()
            self.busy_s += self.last - begun


async def listen(server: Server, port: int, host: str = "127.0.0.1") -> asyncio.Server:
    return await asyncio.start_server(server.serve, host, port)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before a reply")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests whose transport fails")
    parser.add_argument("--content-faults", type=float, default=0.0, help="share of prompts with replies to refuse")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()

    async def run() -> None:
        listening = await listen(Server(chosen.delay, chosen.faults, chosen.content_faults, chosen.seed), chosen.port)
        await listening.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    main()
