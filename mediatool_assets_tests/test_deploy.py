"""The instances that docs/how-to/scaling.md ships: Dagster takes them as they stand."""

from pathlib import Path

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster_aws.ecs import EcsRunLauncher
from dagster_k8s import K8sRunLauncher

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.mark.parametrize(
    ("platform", "launcher"), [("ecs", EcsRunLauncher), ("kubernetes", K8sRunLauncher)]
)
def test_dagster_takes_the_instance(
    platform: str, launcher: type[EcsRunLauncher | K8sRunLauncher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are known, and the launcher gets what its class asks for."""
    monkeypatch.setenv("MEDIATOOL_ECS_TASK_DEFINITION", "mediatool-run")
    monkeypatch.setenv("MEDIATOOL_IMAGE", "mediatool:1")
    given = InstanceRef.from_dir(str(DEPLOY / platform)).run_launcher_data
    assert given is not None
    assert given.class_name == launcher.__name__
    config = process_config(
        resolve_to_config_type(
            launcher.config_type()  # type: ignore[no-untyped-call]  # Dagster has it so
        ),
        yaml.safe_load(given.config_yaml),
    )
    assert config.success, config.errors


def test_they_differ_from_ours_in_scale_alone() -> None:
    """What holds in dagster.yaml (storage, retries, monitoring, freshness) holds there too."""
    ours = yaml.safe_load((DEPLOY.parent / "dagster.yaml").read_text())
    for platform in ("ecs", "kubernetes"):
        theirs = yaml.safe_load((DEPLOY / platform / "dagster.yaml").read_text())
        assert {name for name in theirs if theirs[name] != ours.get(name)} == {
            "run_launcher",
            "concurrency",
        }
