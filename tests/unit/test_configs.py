"""What ships as configuration is valid: run files by our own parser, the cluster by Ray's and by AWS's own schemas."""

import copy
from importlib.metadata import version
from pathlib import Path

import botocore.session
import botocore.validate
import pytest
import yaml
from moto.ec2.models.instance_types import INSTANCE_TYPES
from ray.autoscaler._private.aws import config as aws

from apollo_ray import planning
from apollo_ray.config import load_config, parse
from apollo_ray.serve.settings import EndpointSettings, LiveSettings

ROOT = Path(__file__).resolve().parents[2]
RAY_VERSION = version("ray")
SERVED = sorted((ROOT / "jobs" / "configs").glob("serve-*.yaml"))
RUNS = sorted(set((ROOT / "jobs" / "configs").rglob("*.yaml")) - set(SERVED))


@pytest.mark.parametrize("file", RUNS, ids=lambda path: path.name)
def test_every_run_file_parses_and_has_no_circle(file: Path) -> None:
    config = load_config(file)
    settings = {name: planning._settings(name, raw) for name, raw in config.steps.items()}
    assert set(planning._ordered(settings, None)) == set(config.steps)


@pytest.mark.parametrize("file", SERVED, ids=lambda path: path.name)
def test_every_serve_file_is_what_serve_and_the_endpoint_take(file: Path) -> None:
    from ray.serve.schema import ServeDeploySchema

    document = ServeDeploySchema.model_validate(yaml.safe_load(file.read_text()))
    (application,) = document.applications
    settings = parse(EndpointSettings, application.args, where=file.name)
    (deployment,) = application.deployments
    assert (application.import_path, deployment.name) == ("apollo_ray.serve.app:build", "Endpoint")
    parse(LiveSettings, deployment.user_config, where=file.name)
    assert f"serve deploy jobs/configs/{file.name}" in file.read_text()
    needs_gpu = "cpu" not in file.name
    assert (settings.gpus_per_replica > 0) == needs_gpu == (settings.keys_file is not None)


def test_the_papers_constants_are_the_defaults() -> None:
    config = load_config(ROOT / "jobs" / "configs" / "apollo-7b.yaml")
    mix, model = (planning._settings(name, config.steps[name]) for name in ("mix", "model"))
    assert mix.priorities == {"pretraining": 16.0, "instruction": 2.0}
    assert mix.epochs == {"pretraining": 1, "instruction": 2}
    assert (mix.sequence_length, model.global_batch, model.warmup) == (4096, 256, 0.03)
    assert model.learning_rate == 1e-5


def test_the_cluster_file_is_what_ray_and_aws_take() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    raw = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    validate_config(prepare_config(copy.deepcopy(raw)))
    shape = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    for name, node_type in raw["available_node_types"].items():
        call = {"MinCount": 1, "MaxCount": 1, **node_type["node_config"]}
        report = botocore.validate.ParamValidator().validate(call, shape)
        assert not report.has_errors(), f"{name}: {report.generate_report()}"


def test_the_clusters_groups_fit_their_instances_and_carry_this_ray() -> None:
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    assert set(cluster["available_node_types"]) == {"head", "cpu_spot", "gpu_train", "gpu_serve"}
    for name, group in cluster["available_node_types"].items():
        node, resources = group["node_config"], group["resources"]
        kind = INSTANCE_TYPES[node["InstanceType"]]
        gpus = sum(gpu["Count"] for gpu in kind.get("GpuInfo", {}).get("Gpus", []))
        assert resources.get("GPU", 0) == gpus, name
        assert resources["CPU"] in ({0} if name == "head" else {kind["VCpuInfo"]["DefaultVCpus"]}), name
        assert (node.get("InstanceMarketOptions") == {"MarketType": "spot"}) == (name != "head"), name
        assert node["MetadataOptions"]["HttpTokens"] == "required", name
        assert node["IamInstanceProfile"], name
    images = [cluster["docker"]["head_image"], cluster["docker"]["worker_image"]]
    assert all(f":{RAY_VERSION}-" in image for image in images)
    starts = [*cluster["head_start_ray_commands"][1:], *cluster["worker_start_ray_commands"][1:]]
    assert all("RAY_AUTH_MODE=token RAY_grpc_client_keepalive_timeout_ms=10000" in start for start in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    configured = copy.deepcopy(cluster)
    with pytest.MonkeyPatch.context() as patch:  # Ray adds port 22 from everywhere to every group that it makes
        patch.setattr(aws, "_upsert_security_groups", lambda *_: pytest.fail("Ray would make a security group"))
        assert aws._configure_security_group(configured) == cluster


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob", "RayService"])
def test_the_kubernetes_manifests_are_consistent(kind: str) -> None:
    """Against what KubeRay's reference says of these fields; its own schema is in no package."""
    from ray.serve.schema import ServeDeploySchema

    manifest = yaml.safe_load((ROOT / "jobs" / "k8s" / f"{kind.lower()}.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", kind)
    spec = manifest["spec"]
    cluster = {"RayCluster": spec, "RayJob": spec.get("rayClusterSpec"), "RayService": spec.get("rayClusterConfig")}[
        kind
    ]
    assert cluster["rayVersion"] == RAY_VERSION
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"]
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        assert container["image"].startswith(f"rayproject/ray:{RAY_VERSION}-")
        assert container["image"].endswith("-gpu") == ("nvidia.com/gpu" in limits)
        assert set(group) <= {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"}
        pod = group["template"]["spec"]
        known = {"nodeSelector", "tolerations", "terminationGracePeriodSeconds", "containers", "volumes"}
        assert set(pod) <= known
        assert set(container) == {"name", "image", "envFrom", "env", "resources", "volumeMounts"}
        assert container["env"] == [{"name": "RAY_grpc_client_keepalive_timeout_ms", "value": "10000"}]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        assert mounts["shm"] == "/dev/shm"
        assert container["resources"]["requests"]["memory"] == limits["memory"]
        assert group.get("minReplicas", 0) <= group.get("maxReplicas", 1)
    if kind == "RayJob":
        _, script, config, *overrides = spec["entrypoint"].split()
        assert (ROOT / script).is_file()
        load_config(ROOT / config, overrides)
        assert set(yaml.safe_load(spec["runtimeEnvYAML"])) == {"working_dir", "env_vars"}
    if kind == "RayService":
        served = yaml.safe_load(spec["serveConfigV2"])
        ServeDeploySchema.model_validate(served)
        args = served["applications"][0]["args"]
        for path in (args["keys_file"], args["expert"], args["audit_log"]):
            assert any(Path(path).is_relative_to(mount) for mount in mounts.values()), path
        assert cluster["workerGroupSpecs"][0]["template"]["spec"]["terminationGracePeriodSeconds"] > args["drain_s"]
        assert served == yaml.safe_load((ROOT / "jobs" / "configs" / "serve-cluster.yaml").read_text())


def test_every_stage_has_a_job() -> None:
    jobs = {path.stem for path in (ROOT / "jobs").glob("*.py")}
    assert jobs == {*planning.STAGES, "submit"}


def test_an_override_of_an_anchor_reaches_every_step_that_has_it() -> None:
    """What the experiments' headers say of running them on other text."""
    overrides = ["documents.decontaminate.benchmarks.0.path=other.jsonl", "scores.benchmarks.0.path=other.jsonl"]
    steps = load_config(ROOT / "jobs" / "configs" / "experiments" / "rewriting.yaml", overrides).steps
    for name in ("documents", "general", "instructions", "qa"):
        assert steps[name]["decontaminate"]["benchmarks"][0]["path"] == "other.jsonl"
    assert steps["scores"]["benchmarks"][0]["path"] == "other.jsonl"
