"""Whether an anti-expert is what the expert was trained from, for steps, folders and hub ids in every pairing."""

import json
from pathlib import Path
from typing import Any

import pytest

from apollo_ray.errors import UserError
from apollo_ray.planning import identity
from apollo_ray.serve.lineage import check_lineage
from apollo_ray.step import LINEAGE
from apollo_ray.store import Counts, Manifest

SMALL, OTHER, MIDDLE, TUNED = ("0" * 16, "1" * 16, "2" * 16, "3" * 16)
HUB = "Qwen/Qwen1.5-0.5B"


def _step(name: str, fingerprint: str, start: str | None = None, mark: str | None = None) -> Manifest:
    settings, inputs = {"start": start}, {start: mark} if start and mark else {}
    counts = Counts("sequence", 1, 1)
    return Manifest(name, "train", fingerprint, settings, inputs, counts, [], [], [], {}, {}, "", "")


def _folder(place: Path, weights: str = "w", **lineage: Any) -> str:
    place.mkdir()
    (place / "model.safetensors").write_text(weights)
    if lineage:
        (place / LINEAGE).write_text(json.dumps({"start": None, "start_fingerprint": None} | lineage))
    return str(place)


def _check(expert: str, anti: str, *steps: Manifest) -> bool | None:
    inputs = {step.step: step for step in steps if step.step in (expert, anti)}
    known = {(step.step, step.fingerprint): step for step in steps}
    found = check_lineage(expert, anti, inputs, lambda name, mark: known.get((name, mark)))
    assert found.related or (expert in found.message and anti in found.message)
    return found.related


SMALL_STEP, OTHER_STEP = _step("small", SMALL), _step("other", OTHER)


def test_steps_are_told_by_their_fingerprints() -> None:
    tuned = _step("tuned", TUNED, "small", SMALL)
    assert _check("tuned", "small", tuned, SMALL_STEP)
    assert _check("tuned", "other", tuned, SMALL_STEP, OTHER_STEP) is False
    assert _check("tuned", "small", tuned, _step("small", OTHER)) is False  # of this name, and trained otherwise
    assert _check("small", "other", SMALL_STEP, OTHER_STEP) is False  # from random weights
    assert _check("tuned", HUB, tuned, SMALL_STEP) is False


def test_training_in_several_steps_is_followed_to_the_first() -> None:
    steps = _step("tuned", TUNED, "middle", MIDDLE), _step("middle", MIDDLE, "small", SMALL), SMALL_STEP, OTHER_STEP
    assert _check("tuned", "middle", *steps)
    assert _check("tuned", "small", *steps)
    assert _check("tuned", "other", *steps) is False


def test_hub_ids_are_told_by_name() -> None:
    tuned = _step("tuned", TUNED, HUB, HUB)
    assert _check("tuned", HUB, tuned)
    assert _check("tuned", "Qwen/Qwen1.5-1.8B", tuned) is False
    assert _check("tuned", "small", tuned, SMALL_STEP) is False


def test_folders_are_told_by_their_bytes(tmp_path: Path) -> None:
    start, other = _folder(tmp_path / "start"), _folder(tmp_path / "other", "v")
    copy = _folder(tmp_path / "copy")
    tuned = _step("tuned", TUNED, start, identity(start))
    assert _check("tuned", start, tuned)
    assert _check("tuned", copy, tuned)
    assert _check("tuned", other, tuned) is False
    assert _check("tuned", HUB, tuned) is None  # the folder may be a download of it
    assert _check("tuned", start, _step("tuned", TUNED, HUB, HUB)) is None


def test_what_an_exported_folder_says_is_believed(tmp_path: Path) -> None:
    small = _folder(tmp_path / "small", "s", fingerprint=SMALL)
    plain = _folder(tmp_path / "plain", "p")
    of_step = _folder(tmp_path / "a", "a", fingerprint=TUNED, start="small", start_fingerprint=SMALL)
    of_hub = _folder(tmp_path / "b", "b", fingerprint=TUNED, start=HUB, start_fingerprint=HUB)
    of_folder = _folder(tmp_path / "c", "c", fingerprint=TUNED, start=plain, start_fingerprint=identity(plain))
    of_copy = _folder(tmp_path / "d", "d", fingerprint=TUNED, start=small, start_fingerprint=identity(small))
    of_itself = _folder(tmp_path / "e", "e", fingerprint=TUNED, start=str(tmp_path / "e"), start_fingerprint="x")
    for expert, related in {
        of_step: [True, False, False, True, False],
        of_hub: [False, None, True, False, False],
        of_folder: [False, True, None, False, False],
        of_copy: [True, False, False, True, False],
        of_itself: [False, False, False, False, False],
    }.items():
        antis = [small, plain, HUB, "small", "other"]
        assert [_check(expert, anti, SMALL_STEP, OTHER_STEP) for anti in antis] == related, expert
    (Path(of_step) / LINEAGE).write_text("{}")
    with pytest.raises(UserError, match=LINEAGE):
        _check(of_step, small)


@pytest.mark.parametrize("anti", [HUB, "small"])
def test_a_model_without_lineage_cannot_be_verified(tmp_path: Path, anti: str) -> None:
    assert _check(_folder(tmp_path / "expert"), anti, SMALL_STEP) is None
    assert _check("FreedomIntelligence/Apollo-0.5B", anti, SMALL_STEP) is None
