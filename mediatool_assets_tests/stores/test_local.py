"""The local servers as one: what up, down and status promise."""

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from mediatool_assets.stores.local import Stack, local_environment


def test_environment_is_kept(stack: Stack) -> None:
    """The environment that up returns is what local_environment gives to later commands."""
    assert local_environment(stack.home) == stack.environment
