"""What deploy/ has: instances that Dagster takes as they are, an image, compose, chart, units."""

import itertools
import json
import re
import subprocess
import sys
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.mark.parametrize(
    ("platform", "launcher"),
    [("ecs", "dagster_aws.ecs.EcsRunLauncher"), ("kubernetes", "dagster_k8s.K8sRunLauncher")],
)
def test_dagster_takes_the_instance(
    platform: str, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are known, and the launcher gets what its class asks for."""
    monkeypatch.setenv("MEDIATOOL_ECS_TASK_DEFINITION", "mediatool-run")
    monkeypatch.setenv("MEDIATOOL_IMAGE", "mediatool:1")
    given = InstanceRef.from_dir(str(DEPLOY / platform)).run_launcher_data
    assert given is not None
    assert f"{given.module_name}.{given.class_name}" == launcher
    made = getattr(import_module(given.module_name), given.class_name)
    config = process_config(
        resolve_to_config_type(made.config_type()), yaml.safe_load(given.config_yaml)
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


def test_the_image_is_made_of_what_is_there() -> None:
    """Every file that the Dockerfile copies from the repository is in it."""
    text = (DEPLOY / "docker/Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", text, re.MULTILINE)
    assert len(copied) >= 4
    for name in " ".join(copied).split():
        assert (DEPLOY.parent / name).exists(), name


def test_the_commands_of_every_deployment_are_dagsters() -> None:
    """Compose and systemd start programs that this environment has, with options that they know."""
    compose = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text())["services"]
    image = re.search(r"^CMD (.+)$", (DEPLOY / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert image is not None
    units = [
        path.read_text().split("ExecStart=/opt/mediatool/bin/")[1].splitlines()[0].split()
        for path in sorted((DEPLOY / "systemd").glob("*.service"))
    ]
    commands = [
        json.loads(image.group(1)),
        *(service["command"] for service in compose.values() if "command" in service),
        *units,
    ]
    assert len(commands) == 6
    options: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for words in commands:
        named = itertools.takewhile(lambda word: not word.startswith("-"), words)
        options[tuple(named)] |= {word for word in words if word.startswith("--")}
    for (program, *path), given in options.items():
        known = subprocess.run(
            [Path(sys.executable).with_name(program), *path, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert {option for option in given if option not in known} == set()


def test_the_chart_gets_the_settings_of_our_instance_for_kubernetes() -> None:
    """The chart's values name the same classes, limits and waits, in its own spelling."""
    values = yaml.safe_load((DEPLOY / "helm/values.yaml").read_text())
    ours = yaml.safe_load((DEPLOY / "kubernetes/dagster.yaml").read_text())
    daemon = values["dagsterDaemon"]
    assert daemon["runCoordinator"]["config"]["customRunCoordinator"] == ours["run_coordinator"]
    assert _snake(daemon["runMonitoring"]) == ours["run_monitoring"]
    assert _snake(daemon["runRetries"]) == ours["run_retries"]
    limits = _snake(values["concurrency"])
    assert limits.pop("enabled")
    assert limits == _snake(ours["concurrency"])
    assert values["additionalInstanceConfig"]["freshness"] == ours["freshness"]


def _snake(value: Any) -> Any:
    """The value with names such as ``maxRetries`` as ``max_retries``."""
    if isinstance(value, dict):
        return {
            re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower(): _snake(each)
            for name, each in value.items()
        }
    return [_snake(each) for each in value] if isinstance(value, list) else value
