"""``alert``: shows and tests the alert channels."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli.output import Json, echo, print_json
from mediatool_assets.domain.errors import BadSettings, MediatoolError
from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.environment import shared_settings

if TYPE_CHECKING:
    from mediatool_assets.domain.alerts import Alert


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
    from mediatool_assets.domain.alerts import sample_alert

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
    from mediatool_assets.stores.alert_channels import channels

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
