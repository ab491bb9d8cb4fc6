"""The folder for vLLM, without vLLM: `tests/vllm` loads it there."""

import copy
import json
import subprocess
import sys
from contextlib import nullcontext
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoTokenizer

from apollo_ray.config import load_config
from apollo_ray.errors import UserError
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.run import execute
from apollo_ray.serve.export_ensemble import export_ensemble
from apollo_ray.serve.stage import running
from apollo_ray.serve.vllm_model import ARCHITECTURE
from apollo_ray.store import Counts, Manifest, Store


@pytest.fixture
def folders(tokenizer: Any, models: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    for role, model in models.items():
        model.save_pretrained(tmp_path / role)
        tokenizer.save_pretrained(tmp_path / role)
    return {role: str(tmp_path / role) for role in models}


def export(folders: dict[str, str], target: Path, alpha: float = 0.5) -> Path:
    settings = {"max_length": 200, **folders}
    summary: dict[str, Any] = {
        "alpha": alpha,
        "models": {role: {"path": folder, "id": folder} for role, folder in folders.items()},
    }
    counts = Counts("model", len(folders), len(folders))
    manifest = Manifest("ensemble", "serve", "0" * 16, settings, {}, counts, [], [], [], summary, {}, "", "")
    return export_ensemble(Store(str(target.parent / "store")), manifest, target)


def edit(folder: str, file: str, **values: Any) -> None:
    path = Path(folder) / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_folder_says_all_that_an_engine_must_know(folders: dict[str, str], tokenizer: Any, tmp_path: Path) -> None:
    edit(folders["expert"], "config.json", max_position_embeddings=224)
    target = export(folders, tmp_path / "out")
    config = AutoConfig.from_pretrained(target)
    assert config.architectures == [ARCHITECTURE]
    assert (config.proxy_alpha, config.proxy_vocabulary, config.vocab_size) == (0.5, len(tokenizer), len(tokenizer))
    assert config.hidden_size == 48, "what vLLM asks of the whole is the base's"
    assert config.max_position_embeddings == 224, "but no longer than the shortest"
    for role in folders:
        part = config.proxy_parts[role]
        assert part["subfolder"] == role
        assert part["config"]["hidden_size"] == (48 if role == "base" else 32)
        assert (target / role / "model.safetensors").samefile(Path(folders[role]) / "model.safetensors")
    assert AutoTokenizer.from_pretrained(target).get_vocab() == tokenizer.get_vocab()
    assert str(tmp_path) not in (target / "config.json").read_text(), "a folder that can be moved"


def test_the_draft_is_the_expert_cut_to_the_shared_ids(folders: dict[str, str], tmp_path: Path) -> None:
    target = export(folders, tmp_path / "out")
    draft = AutoConfig.from_pretrained(target / "draft")
    assert (draft.hidden_size, draft.vocab_size) == (32, AutoConfig.from_pretrained(target).vocab_size)
    assert list(draft.proxy_parts) == ["expert"]
    assert (target / "draft" / draft.proxy_parts["expert"]["subfolder"] / "model.safetensors").exists()


def test_every_end_token_ends_and_no_sampling_is_set(folders: dict[str, str], tokenizer: Any, tmp_path: Path) -> None:
    edit(folders["base"], "generation_config.json", eos_token_id=[7, 9], temperature=0.3, do_sample=True)
    target = export(folders, tmp_path / "out")
    written = json.loads((target / "generation_config.json").read_text())
    assert written == {"eos_token_id": sorted({tokenizer.eos_token_id, 7, 9})}


def test_scaled_positions_of_one_part_do_not_lengthen_the_others(folders: dict[str, str], tmp_path: Path) -> None:
    rotary = {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0}
    edit(folders["base"], "config.json", rope_parameters=rotary)
    config = AutoConfig.from_pretrained(export(folders, tmp_path / "out"))
    assert config.rope_parameters["rope_type"] == "default"
    assert config.proxy_parts["base"]["config"]["rope_parameters"]["factor"] == 4.0


def test_a_token_that_differs_is_named_and_nothing_written(
    folders: dict[str, str], tokenizer: Any, tmp_path: Path
) -> None:
    for role, token in (("base", "<a>"), ("expert", "<b>"), ("anti_expert", "<a>")):
        changed = copy.deepcopy(tokenizer)
        changed.add_tokens([token])
        changed.save_pretrained(folders[role])
        edit(folders[role], "config.json", vocab_size=400)
    with pytest.raises(UserError, match=r"^expert: id 320 is '<b>', and in base it is '<a>'"):
        export(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ids_of_the_base_alone_are_refused(folders: dict[str, str], tokenizer: Any, tmp_path: Path) -> None:
    longer = copy.deepcopy(tokenizer)
    longer.add_tokens(["<tool>"])
    longer.save_pretrained(folders["base"])
    with pytest.raises(UserError, match=r"^base: the tokenizer has 321 ids and the models share 320"):
        export(folders, tmp_path / "out")


def test_a_folder_with_files_is_left_alone(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"base.* is there already and not an empty folder"):
        export(folders, Path(folders["base"]))


def test_a_base_alone_needs_no_export(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^step 'ensemble' has a base alone"):
        export({"base": folders["base"]}, tmp_path / "out")


def test_weights_that_the_engine_cannot_take_are_named(folders: dict[str, str], tmp_path: Path) -> None:
    (Path(folders["anti_expert"]) / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"^anti_expert: '.*' has no \*\.safetensors"):
        export(folders, tmp_path / "out")
    edit(folders["base"], "config.json", quantization_config={"quant_method": "awq", "bits": 4})
    with pytest.raises(UserError, match=r"^base: '.*' is quantised"):
        export(folders, tmp_path / "out")


def test_a_step_for_vllm_takes_what_only_vllm_can_cache(folders: dict[str, str], tmp_path: Path) -> None:
    edit(
        folders["base"], "config.json", use_sliding_window=True, sliding_window=8, max_window_layers=1, layer_types=None
    )

    def run(engine: str) -> tuple[Store, PlannedStep]:
        step = {"stage": "serve", "engine": engine, "max_length": 200, **folders}
        file = tmp_path / "run.json"
        file.write_text(json.dumps({"run": "r", "store": str(tmp_path / "store"), "steps": {"ensemble": step}}))
        config = load_config(file)
        (done,) = execute(config, plan(config), print, nullcontext)
        return Store(config.store), done

    with pytest.raises(UserError, match=r"^base: layer 1 of qwen2 is 'sliding_attention'"):
        run("embedded")
    store, done = run("vllm")
    assert done.manifest is not None
    assert done.manifest.extra == [], "no Serve file of the embedded engine"
    config = AutoConfig.from_pretrained(export_ensemble(store, done.manifest, tmp_path / "out"))
    assert config.proxy_parts["base"]["config"]["layer_types"][1] == "sliding_attention"
    with (
        pytest.raises(UserError, match=r"^step 'ensemble' has engine: vllm; 'apollo export-ensemble'"),
        running(store, done.manifest, print),
    ):
        pass


def test_vllm_finds_the_model_by_its_entry_point_and_only_then_is_vllm_needed() -> None:
    found = [entry.value for entry in entry_points(group="vllm.general_plugins") if entry.name == "apollo_ensemble"]
    assert found == ["apollo_ray.serve.vllm_model:register"]
    code = "import sys; sys.modules['vllm'] = None; import apollo_ray.serve.vllm_model"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
