"""Lines of progress for people and for programs."""

import json

import pytest
import typer

from apollo_ray import logs
from apollo_ray.commands.common import guarded, say
from apollo_ray.errors import UserError


def test_json_lines_name_the_step_while_it_runs(capsys, monkeypatch) -> None:
    monkeypatch.setenv("APOLLO_LOG", "json")
    say("before")
    with logs.within("mini", "qa", "abc123"):
        say('a "quoted"\nline, यह')
    say("after")
    before, during, after = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert during["message"] == 'a "quoted"\nline, यह'
    assert (during["run"], during["step"], during["fingerprint"]) == ("mini", "qa", "abc123")
    assert during["time"].endswith("+00:00")
    assert set(before) == set(after) == {"time", "level", "message"}


def test_an_error_that_ends_a_command_is_a_line_too(capsys, monkeypatch) -> None:
    monkeypatch.setenv("APOLLO_LOG", "json")

    @guarded
    def command() -> None:
        raise UserError("no such file")

    with pytest.raises(typer.Exit) as left:
        command()
    assert left.value.exit_code == 2
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("error", "no such file")


def test_text_is_the_default_and_other_forms_are_refused(capsys, monkeypatch) -> None:
    monkeypatch.delenv("APOLLO_LOG", raising=False)
    say("plain")
    assert capsys.readouterr().out.endswith("s plain\n")
    monkeypatch.setenv("APOLLO_LOG", "xml")
    with pytest.raises(UserError, match="allowed: text, json"):
        say("anything")
