"""What a check reports if the data that it needs cannot be read: a finding, not an exception."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Concatenate, ParamSpec

from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.outcome import Finding, outcome_of
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore

Findings = dict[str, Finding]
"""Findings by table, collection or other thing that was asked about."""

Arguments = ParamSpec("Arguments")


def errors_as_findings(
    ask: Callable[Concatenate[ObjectStore, Version, list[str], Arguments], Findings],
) -> Callable[Concatenate[ObjectStore, Version, Iterable[str], Arguments], Findings]:
    """In a check of several things, turn an error into the finding for each of them."""

    @wraps(ask)
    def check(
        objects: ObjectStore,
        version: Version,
        things: Iterable[str],
        /,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Findings:
        things = list(things)
        try:
            return ask(objects, version, things, *args, **kwargs)
        except MediatoolError as error:
            return {thing: _error(thing, error) for thing in things}

    return check


def errors_as_finding(
    thing: str,
) -> Callable[[Callable[Arguments, Finding]], Callable[Arguments, Finding]]:
    """In a check of one thing, turn an error into its finding."""

    def decorated(ask: Callable[Arguments, Finding]) -> Callable[Arguments, Finding]:
        @wraps(ask)
        def check(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Finding:
            try:
                return ask(*args, **kwargs)
            except MediatoolError as error:
                return _error(thing, error)

        return check

    return decorated


def _error(thing: str, error: MediatoolError) -> Finding:
    return Finding(outcome_of(error), f"{thing}: {error}")
