"""The text of an alert, and the JSON that Slack's incoming webhooks accept."""

import msgspec

from mediatool_assets.domain.alerts import Alert, Kind, Problem

_HEADINGS: dict[Kind, str] = {
    "run": "Run failed",
    "check": "Check not passed",
    "freshness": "Not made in time",
    "schedule": "Schedule did not tick",
    "warnings": "Version with warnings",
    "recovery": "Well again",
    "checkpoint": "Checkpoint, to be kept",
    "test": "Test of this channel",
}
_SHOWN = 20  # problems listed in one message; Slack accepts 50 blocks
_BLOCK = 3000  # characters that Slack accepts in one block


def heading(alert: Alert) -> str:
    """One line: the kind of the alert and the version, partition or job that it is about."""
    of = alert.version or alert.partition
    return f"{_HEADINGS[alert.kind]}: {of}" if of else _HEADINGS[alert.kind]


def lines(alert: Alert) -> list[str]:
    """The text of the alert, line by line, without its links."""
    told = [heading(alert)]
    if alert.partition and alert.version:
        told.append(f"partition {alert.partition}")
    told += [_line(problem, alert) for problem in alert.problems[:_SHOWN]]
    if (more := len(alert.problems) - _SHOWN) > 0:
        told.append(f"and {more} more")
    if alert.suppressed:
        told.append(f"{alert.suppressed} more like this were not posted")
    return told


def _line(problem: Problem, alert: Alert) -> str:
    if alert.kind == "recovery":
        since = f" (was not in {problem.partition})" if problem.partition else ""
        return f"{problem.thing}: recovered{since}"
    figures = ", ".join(f"{name} {figure:,}" for name, figure in problem.figures.items())
    return f"{problem.thing}: {problem.reason}" + (f" [{figures}]" if figures else "")


def payload(alert: Alert) -> dict[str, object]:
    """What a webhook gets: ``text`` and ``blocks`` for Slack, and the alert's own fields."""
    first, *rest = [_escaped(line) for line in lines(alert)]
    links = " · ".join(_link(what, url) for what, url in alert.links.items())
    told = [f"*{first}*", *rest, *([links] if links else [])]
    own = {"severity": alert.severity, "suppressed": alert.suppressed}
    return {
        "text": first,
        "blocks": [_section(line) for line in told],
        **msgspec.to_builtins(alert),
        **own,
    }


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_BLOCK]}}


def _link(what: str, url: str) -> str:
    """A link for Slack, which accepts only http and https URLs; else the plain URL."""
    is_web = url.startswith(("http://", "https://"))
    return f"<{url}|{_escaped(what)}>" if is_web else f"{_escaped(what)}: {_escaped(url)}"


def _escaped(text: str) -> str:
    """The text with the three characters escaped that Slack gives a meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
