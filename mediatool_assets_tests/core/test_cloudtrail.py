"""Which of CloudTrail's selectors record what is done with the bucket's objects."""

from typing import Any

import pytest

from mediatool_assets.core.bucket_policies import LoggingTrails, recorded

ARN = "arn:aws:s3:::b"


def basic(kind: str, *values: str) -> dict[str, Any]:
    """An event selector of the older kind."""
    resources = [{"Type": "AWS::S3::Object", "Values": list(values)}]
    return {"EventSelectors": [{"ReadWriteType": kind, "DataResources": resources}]}


def advanced(*more: dict[str, Any], type_: str = "AWS::S3::Object") -> dict[str, Any]:
    """An advanced event selector of data events."""
    fields = [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": [type_]},
        *more,
    ]
    return {"AdvancedEventSelectors": [{"FieldSelectors": fields}]}


BOTH = {"read", "write"}


@pytest.mark.parametrize(
    ("selector", "kinds"),
    [
        (basic("All", f"{ARN}/"), BOTH),
        (basic("All", "arn:aws:s3"), BOTH),
        (basic("ReadOnly", "arn:aws:s3:::"), {"read"}),
        (basic("WriteOnly", f"{ARN}/"), {"write"}),
        (basic("All", f"{ARN}/postgres-exports/"), set()),
        (basic("All", "arn:aws:s3:::other/"), set()),
        ({"EventSelectors": [{"ReadWriteType": "All", "DataResources": []}]}, set()),
        (advanced(), BOTH),
        (advanced({"Field": "readOnly", "Equals": ["true"]}), {"read"}),
        (advanced({"Field": "readOnly", "Equals": ["false"]}), {"write"}),
        (advanced({"Field": "resources.ARN", "StartsWith": [f"{ARN}/"]}), BOTH),
        (advanced({"Field": "resources.ARN", "StartsWith": [f"{ARN}/raw/"]}), set()),
        (advanced({"Field": "resources.ARN", "NotStartsWith": [f"{ARN}/"]}), set()),
        (advanced({"Field": "eventName", "Equals": ["GetObject"]}), set()),
        (advanced(type_="AWS::Lambda::Function"), set()),
        ({}, set()),
    ],
)
def test_recorded(selector: dict[str, Any], kinds: set[str]) -> None:
    """A selector counts for what it surely records of every object, and for nothing else."""
    assert recorded(LoggingTrails((selector,)), ARN) == kinds


def test_two_trails() -> None:
    """Reads in one trail and writes in another are both."""
    trails = LoggingTrails((basic("ReadOnly", f"{ARN}/"), basic("WriteOnly", f"{ARN}/")))
    assert recorded(trails, ARN) == BOTH
