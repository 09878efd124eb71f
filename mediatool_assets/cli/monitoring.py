"""``metrics``: figures for Prometheus, read from the bucket and from Dagster's instance."""

import os
import subprocess
import sys
from typing import Annotated

import typer


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
    from mediatool_assets.stores.private_files import private_directory

    settings()
    folder = home() / "dagster"
    for each in (folder.parent, folder):
        private_directory(each)
    command = [sys.executable, "-m", "mediatool_assets.defs.metrics_exporter"]
    where = ["-", "0"] if once else [host, str(port)]
    environment = {"DAGSTER_HOME": str(folder), **os.environ}
    process = subprocess.Popen(tethered([*command, *where]), env=environment, process_group=0)
    try:
        code = process.wait()
    finally:
        stop(process)
    raise typer.Exit(code)
