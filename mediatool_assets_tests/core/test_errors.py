"""Errors: what a worker raises arrives as it was."""

import pickle

import pytest

from mediatool_assets.core.errors import (
    AlreadyExists,
    BadArchive,
    BadModel,
    BadSettings,
    BadSource,
    BadValue,
    CountMismatch,
    MediatoolError,
)


@pytest.mark.parametrize(
    "error",
    [
        CountMismatch("accounts", "rows", 3, 2),
        BadSettings(["one is missing", "another too"]),
        BadArchive("s3://bucket/key", "cut short"),
        BadModel(["model.yaml:3: no such table"]),
        BadValue("accounts", 1, "budget", "x", "is no number"),
        BadSource("no schema media_tool"),
        AlreadyExists("s3://bucket/key"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_survives_the_way_out_of_a_worker(error: MediatoolError) -> None:
    """Type, message and evidence are equal after a pickle, which is how a process pool raises."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 # our own bytes
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
