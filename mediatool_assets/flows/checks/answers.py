"""What a check says where its evidence cannot be read."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec

from mediatool_assets.domain.errors import CheckFailed, DamagedInput, MediatoolError
from mediatool_assets.domain.expectations import Finding

Findings = dict[str, Finding]
"""What was found, by table, collection or other thing that was asked about."""

Arguments = ParamSpec("Arguments")


def answered(things: Iterable[str], ask: Callable[[list[str]], Findings]) -> Findings:
    """What was found of the things; where it could not be asked, why, for each of them."""
    things = list(things)
    try:
        return ask(things)
    except MediatoolError as error:
        return {thing: _unasked(thing, error) for thing in things}


def answers_for(
    thing: str,
) -> Callable[[Callable[Arguments, Finding]], Callable[Arguments, Finding]]:
    """A check of one thing: where it could not be asked, the finding is why."""

    def decorated(ask: Callable[Arguments, Finding]) -> Callable[Arguments, Finding]:
        @wraps(ask)
        def check(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Finding:
            try:
                return ask(*args, **kwargs)
            except MediatoolError as error:
                return _unasked(thing, error)

        return check

    return decorated


def _unasked(thing: str, error: MediatoolError) -> Finding:
    """Damaged or absent evidence is a failure; a server that does not answer leaves it unknown."""
    failed = isinstance(error, DamagedInput | CheckFailed)
    return Finding("failed" if failed else "unknown", f"{thing}: {error}")
