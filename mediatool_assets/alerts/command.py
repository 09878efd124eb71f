"""``alert``: shows and tests the alert channels.

``metrics``: figures for Prometheus, read from the bucket and from Dagster's instance.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import Json, echo, print_json
from mediatool_assets.core.errors import BadSettings, MediatoolError
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.environment import shared_settings

if TYPE_CHECKING:
    from mediatool_assets.alerts.messages import Alert


def alert(
    test: Annotated[
        bool, typer.Option("--test", help="Post a test alert to every channel.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the channels that alerts go to; with --test, post to each of them.

    The channels are set by MEDIATOOL_ALERT_WEBHOOK_URL, MEDIATOOL_ALERT_SNS_TOPIC_ARN and
    MEDIATOOL_ALERT_LOG. Run it in the environment of Dagster's code server. Every channel is
    tried; if one fails, the exit code says why.

    Examples:

        mediatool alert
        mediatool alert --test
    """
    from mediatool_assets.alerts.messages import sample_alert

    settings = shared_settings()
    told, failed = posted(settings, sample_alert if test else None)
    if json:
        print_json(told)
    else:
        for name, what in told.items():
            echo(f"{name}: {what}")
    if failed is not None:
        raise typer.Exit(failed.exit_code)


def posted(
    settings: Settings, make: "Callable[[datetime, Mapping[str, str]], Alert] | None"
) -> tuple[dict[str, str], MediatoolError | None]:
    """The result of posting an alert to each channel, and the last error; without one, a list.

    Every channel is tried. Raises BadSettings if none is configured.
    """
    from mediatool_assets.alerts.messages import channels

    found = channels(settings)
    if not found:
        raise BadSettings(
            [
                "no channel is configured: set MEDIATOOL_ALERT_WEBHOOK_URL, "
                "MEDIATOOL_ALERT_SNS_TOPIC_ARN or MEDIATOOL_ALERT_LOG=yes"
            ]
        )
    links = {"Dagster": settings.dagster_url} if settings.dagster_url else {}
    told = {channel.name: "configured" for channel in found}
    failed: MediatoolError | None = None
    if make is None:
        return told, failed
    for channel in found:
        try:
            channel.post(make(datetime.now(UTC), links))
            told[channel.name] = "posted"
        except MediatoolError as error:
            told[channel.name], failed = str(error), error
    return told, failed


def metrics(
    port: Annotated[int, typer.Option(help="The port.")] = 9464,
    host: Annotated[
        str,
        typer.Option(help="The address to listen on; 0.0.0.0 for all addresses of this machine."),
    ] = "127.0.0.1",
    once: Annotated[bool, typer.Option("--once", help="Print the metrics and exit.")] = False,
) -> None:
    """Serve metrics for Prometheus at /metrics until it is interrupted.

    The metrics are age, verdict, rows, bytes and duration of the newest version, restore drills,
    waiting alerts, and the last heartbeat of Dagster's daemon. Run it beside the daemon, with the
    same DAGSTER_HOME and settings. deploy/prometheus/alerts.yml has alert rules.

    Examples:

        mediatool metrics
        mediatool metrics --once
    """
    from mediatool_assets.cli.child_process import tethered
    from mediatool_assets.cli.launch import stop
    from mediatool_assets.stores.environment import home, settings
    from mediatool_assets.stores.user_files import private_directory

    settings()
    folder = home() / "dagster"
    for each in (folder.parent, folder):
        private_directory(each)
    command = [sys.executable, "-m", "mediatool_assets.alerts.exporter"]
    where = ["-", "0"] if once else [host, str(port)]
    environment = {"DAGSTER_HOME": str(folder), **os.environ}
    process = subprocess.Popen(tethered([*command, *where]), env=environment, process_group=0)
    try:
        code = process.wait()
    finally:
        stop(process)
    raise typer.Exit(code)
