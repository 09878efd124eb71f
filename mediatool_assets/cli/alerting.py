"""``alert``: where alerts go, and whether they arrive."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from mediatool_assets.cli.output import Json, echo, print_json
from mediatool_assets.domain.errors import BadSettings, MediatoolError
from mediatool_assets.stores.environment import read_settings


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
    from mediatool_assets.domain.alerts import trial
    from mediatool_assets.stores.alert_channels import channels

    settings = read_settings()
    found = channels(settings)
    if not found:
        raise BadSettings(
            [
                "no channel is configured: set MEDIATOOL_ALERT_WEBHOOK_URL, "
                "MEDIATOOL_ALERT_SNS_TOPIC_ARN or MEDIATOOL_ALERT_LOG=yes"
            ]
        )
    links = {"Dagster": settings.dagster_url} if settings.dagster_url else {}
    told: dict[str, str] = {}
    failed: MediatoolError | None = None
    for channel in found:
        told[channel.name] = "configured"
        if test:
            try:
                channel.post(trial(datetime.now(UTC), links))
                told[channel.name] = "posted"
            except MediatoolError as error:
                told[channel.name], failed = str(error), error
    if json:
        print_json(told)
    else:
        for name, what in told.items():
            echo(f"{name}: {what}")
    if failed is not None:
        raise typer.Exit(failed.exit_code)
