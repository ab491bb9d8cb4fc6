"""What of an answer reaches a terminal."""

from apollo_ray.commands.chatting import SHADES, _shown
from apollo_ray.endpoint.conversation import Part


def test_a_model_cannot_steer_the_terminal() -> None:
    text = "a\x1b[2Jb\x07\r\x9bc\td\n\u200fم\u0940"
    assert _shown(Part(text)).plain == "a\ufffd[2Jb\ufffd\ufffd\ufffdc\td\n\u200fم\u0940"


def test_shades_follow_the_divergence() -> None:
    styles = [str(_shown(Part("a", [{"divergence": divergence}])).style) for divergence in (0.0, 0.1, 0.7, 9.0)]
    assert styles == ["", *(style for _, style in SHADES)]
