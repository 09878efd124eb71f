"""Two versions are held together unless something says that they are of two sources."""

import pytest

from mediatool_assets.core.metadata import SourceIdentity

OWN = SourceIdentity("shop", "app", "7001", "db1:5432/app")


@pytest.mark.parametrize(
    "other",
    [
        OWN,
        SourceIdentity("shop", "app", "7001", "db2:5432/app"),  # a standby, or another name
        SourceIdentity("shop", "app", "7002", "db1:5432/app"),  # after pg_upgrade
        SourceIdentity("shop", None, None, None),  # from RDS, or of an older tool
        SourceIdentity(None, None, None, None),
    ],
)
def test_nothing_says_that_it_is_another(other: SourceIdentity) -> None:
    """What is not known does not part them, nor one name of two."""
    assert OWN.may_be(other)
    assert other.may_be(OWN)


@pytest.mark.parametrize(
    "other",
    [
        SourceIdentity("shop", "app", "7002", "db2:5432/app"),
        SourceIdentity("shop", "app_test", "7001", "db1:5432/app_test"),
        SourceIdentity("shop,audit", "app", "7001", "db1:5432/app"),
        SourceIdentity("media_tool", None, None, None),
    ],
)
def test_another_cluster_database_or_list_of_schemas_is_another(other: SourceIdentity) -> None:
    """Each alone is enough."""
    assert not OWN.may_be(other)
    assert not other.may_be(OWN)
