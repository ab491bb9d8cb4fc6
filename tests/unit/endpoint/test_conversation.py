"""A conversation and its commands, against an endpoint that is scripted here."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from apollo_ray.endpoint.client import RefusedError, Reply
from apollo_ray.endpoint.conversation import HELP, Conversation
from apollo_ray.errors import UserError

ENTRY = {"divergence": 0.7, "base": -3.0, "expert": -1.0, "anti_expert": -2.0, "token": " fever"}


class Scripted:
    """Answers with its pieces; `asked` are the bodies."""

    root, has_key = "http://here", False

    def __init__(self, *pieces: str, refuse: str = "", ours: bool = True) -> None:
        self.pieces, self.refuse, self.ours = pieces, refuse, ours
        self.asked: list[Mapping[str, Any]] = []
        self.closed = 0

    def ask(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Reply:
        alphas = {"alpha": 1.0, "alpha_by_language": {"hi": 0.5}} if self.ours else {}
        return Reply(200, {"data": [{"id": "ensemble", **alphas}, {"id": "base"}]})

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[Any]:
        self.asked.append(body)
        if self.refuse:
            raise RefusedError(Reply(400, {"error": {"message": self.refuse}}))
        try:
            told = {"proxy": {"alpha": 0.5, "language": "hi"}}
            yield told | {"choices": [{"delta": {"role": "assistant", "content": ""}}]}
            for piece in self.pieces:
                sources = {"proxy": {"attribution": [ENTRY]}} if body.get("proxy", {}).get("attribution") else {}
                yield told | {"choices": [{"delta": {"content": piece}, **sources}]}
            yield told | {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        finally:
            self.closed += 1


def test_what_was_said_goes_with_the_next_question() -> None:
    server = Scripted("Drink ", "water.")
    talk = Conversation(server)  # type: ignore[arg-type]
    assert [part.text for part in talk.ask("What helps?")] == ["Drink ", "water."]
    assert talk.made_with == {"alpha": 0.5, "language": "hi"}
    list(talk.ask("And then?"))
    roles = [message["role"] for message in server.asked[1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert server.asked[1]["messages"][1]["content"] == "Drink water."
    assert talk.command("/reset") == "forgotten"
    list(talk.ask("Again?"))
    assert server.asked[2]["messages"] == [{"role": "user", "content": "Again?"}]


def test_an_answer_that_is_ended_or_refused_is_forgotten() -> None:
    server = Scripted("a", "b", "c")
    talk = Conversation(server)  # type: ignore[arg-type]
    answer = talk.ask("What helps?")
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert server.closed == 1
    assert talk.messages == []
    server.refuse = "maximum context length"
    with pytest.raises(UserError, match="maximum context length"):
        list(talk.ask("What helps?"))
    assert talk.messages == []


def test_attribution_comes_with_the_pieces() -> None:
    talk = Conversation(Scripted("Fever"))  # type: ignore[arg-type]
    assert [part.divergence for part in talk.ask("?")] == [0.0]
    assert talk.command("/attribution") == "attribution on"
    [part] = talk.ask("?")
    assert part.tokens == [ENTRY]
    assert part.divergence == 0.7
    assert talk.command("/attribution off") == "attribution off"


def test_alpha_and_model_are_set_by_commands() -> None:
    server = Scripted("a")
    talk = Conversation(server)  # type: ignore[arg-type]
    assert talk.command("/alpha") == "alpha 1, the server's own, hi 0.5"
    assert talk.command("/alpha 0.25") == "alpha 0.25"
    list(talk.ask("?"))
    assert server.asked[0]["proxy"] == {"alpha": 0.25, "attribution": False}
    talk.command("/alpha off")
    list(talk.ask("?"))
    assert server.asked[1]["proxy"]["alpha"] is None
    assert talk.command("/model base") == "ensemble, [base]"
    list(talk.ask("?"))
    assert (server.asked[2]["model"], "proxy" in server.asked[2]) == ("base", False)
    assert talk.command("/model ensemble@0.5") == "ensemble, base, [ensemble@0.5]"
    assert talk.command("/help") == HELP
    assert talk.command("/quit") is None


@pytest.mark.parametrize(
    ("ours", "line", "message"),
    [
        (True, "/model gpt", "there are: ensemble, base"),
        (True, "/model base@1", "no model"),
        (True, "/alpha much", "a number or off"),
        (True, "/attribution maybe", "on or off"),
        (True, "/wat", "/help"),
        (False, "/alpha 1", "no alpha"),
        (False, "/attribution", "no parts"),
        (False, "/model ensemble@1", "no model"),
    ],
)
def test_a_wrong_command_says_what_is_right(ours: bool, line: str, message: str) -> None:
    talk = Conversation(Scripted("a", ours=ours))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message):
        talk.command(line)
