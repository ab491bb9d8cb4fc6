import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.records import DOCUMENT, LANGUAGES
from apollo_ray.rewrite import prompts, rows, template_engine
from apollo_ray.rewrite.openai_engine import Ledger, write_pairs
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings
from apollo_ray.rewrite.verify import check_pair
from apollo_ray.store import Store

PASSAGE = Passage("d", 1, "asthma", "Symptoms", "Wheezing and {braces} and {question}.", "en", "web")


class Server(BaseHTTPRequestHandler):
    """Answers like an OpenAI server; `plan` maps the number of a request to a status or a finish reason."""

    plan: dict[int, int | str]
    seen: list[dict]
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            self.seen.append(body)
            what = self.plan.get(len(self.seen), "stop")
        status = what if isinstance(what, int) else 200
        text = (
            "What is asthma like?"
            if "Write one question" in body["messages"][0]["content"]
            else "It makes one wheeze. " * 3
        )
        answer = (
            {"error": {"message": "no"}}
            if status != 200
            else {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "m-served",
                "choices": [{"index": 0, "finish_reason": what, "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
            }
        )
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "0.1")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[type[Server], OpenAIEngine]]:
    handler = type("Scripted", (Server,), {"plan": {}, "seen": []})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{listening.server_address[1]}/v1"
    yield handler, OpenAIEngine(kind="openai", model="m", base_url=address, retries=2, timeout_s=20)
    listening.shutdown()
    listening.server_close()


def test_two_calls_make_a_pair_and_the_ledger_pays_once(server, tmp_path: Path) -> None:
    handler, engine = server
    ledger = Ledger(Store(str(tmp_path)))
    (first,) = write_pairs([PASSAGE], engine, ledger)
    assert (first.question, first.refusal) == ("What is asthma like?", None)
    assert len(handler.seen) == 2
    assert "What is asthma like?" in handler.seen[1]["messages"][0]["content"]
    assert write_pairs([PASSAGE], engine, ledger) == [first]
    assert len(handler.seen) == 2
    write_pairs([PASSAGE], engine.model_copy(update={"temperature": 0.1}), ledger)
    assert len(handler.seen) == 4


def test_overload_is_retried(server, tmp_path: Path) -> None:
    handler, engine = server
    handler.plan = {1: 429, 2: 500}
    (made,) = write_pairs([PASSAGE], engine, Ledger(Store(str(tmp_path))))
    assert made.refusal is None
    assert len(handler.seen) == 4


def test_what_was_paid_for_survives_a_broken_service(server, tmp_path: Path) -> None:
    handler, engine = server
    handler.plan = dict.fromkeys(range(2, 10), 503)
    ledger = Ledger(Store(str(tmp_path)))
    with pytest.raises(ServiceError, match="run the same command again"):
        write_pairs([PASSAGE], engine, ledger)
    handler.plan, asked = {}, len(handler.seen)
    write_pairs([PASSAGE], engine, ledger)
    assert len(handler.seen) == asked + 1  # the question is kept, only the answer is asked for


@pytest.mark.parametrize(
    ("plan", "reason"),
    [({2: "length"}, "not_finished"), ({1: "content_filter"}, "not_finished"), ({1: 400}, "refused_by_endpoint")],
)
def test_one_bad_answer_is_one_refused_passage(server, tmp_path: Path, plan: dict, reason: str) -> None:
    handler, engine = server
    handler.plan = plan
    (made,) = write_pairs([PASSAGE], engine, Ledger(Store(str(tmp_path))))
    assert made.refusal is not None
    assert made.refusal.reason == reason


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_model_is_the_users_mistake(server, tmp_path: Path, status: int) -> None:
    handler, engine = server
    handler.plan = {1: status}
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        write_pairs([PASSAGE], engine, Ledger(Store(str(tmp_path))))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_prompts_hold_the_passage_and_have_no_field_left(lang: str) -> None:
    passage = Passage("d", 0, "T", "H", PASSAGE.text, lang, None)
    question = prompts.question_prompt(passage)
    answer = prompts.answer_prompt(passage, "Why {passage}?")
    assert passage.text in question
    assert "T: H" in question
    assert answer.count(passage.text) == 1
    assert "Why {passage}?" in answer
    assert "{title}" not in question
    assert prompts.prompt_hash(lang) != prompts.prompt_hash("en" if lang != "en" else "fr")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_known_headings_are_asked_about_in_the_language(lang: str) -> None:
    for heading in template_engine.HEADINGS[lang]:
        asked = template_engine.question_for(Passage("d", 1, "XYZ", heading.capitalize(), "text", lang, None))
        assert asked is not None
        assert "XYZ" in asked
        assert asked != template_engine.SECTION[lang].format(title="XYZ", heading=heading.capitalize())
    assert template_engine.question_for(Passage("d", 0, None, None, "text", lang, None)) is None


def test_pairs_are_refused_for_each_reason() -> None:
    good = "It makes breathing hard and needs an inhaler every day."
    assert check_pair("What is it?", good, "en", "en", 20) is None
    cases = {
        "empty": (" ", good, "en"),
        "answer_too_short": ("What?", "It is.", "en"),
        "wrong_language": ("What?", good, "es"),
        "mentions_reference": ("What does the text say?", good, "en"),
    }
    for reason, (question, answer, detected) in cases.items():
        refusal = check_pair(question, answer, "en", detected, 20)
        assert refusal is not None
        assert refusal.reason == reason
    for lang, question in {
        "zh": "根据上文，病因是什么？",
        "es": "¿Qué dice el texto?",
        "fr": "Que dit le passage ?",
        "hi": "उपरोक्त अंश में क्या है?",
        "ar": "ماذا يقول النص أعلاه؟",
    }.items():
        refusal = check_pair(question, good * 3, lang, lang, 5)
        assert refusal is not None
        assert refusal.reason == "mentions_reference"


def test_every_document_gives_a_unit() -> None:
    base = dict.fromkeys(DOCUMENT.names)
    documents = pa.Table.from_pylist(
        [
            base | {"id": str(index), "text": text, "lang": "en"}
            for index, text in enumerate(["## H", "Patient: a\nDoctor: b", "One.\n## H\nTwo."])
        ],
        DOCUMENT,
    )
    units = rows.units(documents, StageSettings(documents=("x",)))
    assert [unit.document["id"] for unit in units] == ["0", "1", "2", "2"]
    assert units[1].turns == ["a", "b"]
