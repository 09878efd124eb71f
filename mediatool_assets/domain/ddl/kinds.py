"""The kinds of objects that a restore creates, by pg_dump's names, and how an object is named."""

from collections.abc import Iterable

MADE_BY = {
    "SCHEMA": "CreateSchemaStmt",
    "EXTENSION": "CreateExtensionStmt",
    "COMMENT": "CommentStmt",
    "TABLE": "CreateStmt AlterTableStmt",
    "TABLE ATTACH": "AlterTableStmt",
    "ROW SECURITY": "AlterTableStmt",
    "VIEW": "ViewStmt AlterTableStmt",
    "MATERIALIZED VIEW": "CreateTableAsStmt AlterTableStmt AlterObjectDependsStmt",
    "SEQUENCE": "CreateSeqStmt AlterSeqStmt AlterTableStmt",
    "SEQUENCE OWNED BY": "AlterSeqStmt",
    "DEFAULT": "AlterTableStmt",
    "TYPE": "CompositeTypeStmt CreateEnumStmt CreateRangeStmt AlterTableStmt DefineStmt",
    "SHELL TYPE": "DefineStmt",
    "DOMAIN": "CreateDomainStmt AlterDomainStmt",
    "FUNCTION": "CreateFunctionStmt AlterObjectDependsStmt",
    "PROCEDURE": "CreateFunctionStmt AlterObjectDependsStmt",
    "AGGREGATE": "DefineStmt",
    "OPERATOR": "DefineStmt",
    "OPERATOR CLASS": "CreateOpClassStmt",
    "OPERATOR FAMILY": "CreateOpFamilyStmt AlterOpFamilyStmt",
    "COLLATION": "DefineStmt",
    "CONVERSION": "CreateConversionStmt",
    "TEXT SEARCH PARSER": "DefineStmt",
    "TEXT SEARCH TEMPLATE": "DefineStmt",
    "TEXT SEARCH DICTIONARY": "DefineStmt",
    "TEXT SEARCH CONFIGURATION": "DefineStmt AlterTSConfigurationStmt",
    "CONSTRAINT": "AlterTableStmt",
    "CHECK CONSTRAINT": "AlterTableStmt AlterDomainStmt",
    "FK CONSTRAINT": "AlterTableStmt",
    "INDEX": "IndexStmt AlterTableStmt AlterObjectDependsStmt",
    "INDEX ATTACH": "AlterTableStmt",
    "STATISTICS": "CreateStatsStmt AlterStatsStmt",
    "RULE": "RuleStmt ViewStmt AlterTableStmt",
    "TRIGGER": "CreateTrigStmt AlterTableStmt AlterObjectDependsStmt",
}
"""The statements, by their nodes' names, that pg_dump makes an object of each kind of."""

ROWS_OF_VIEW = "MATERIALIZED VIEW DATA"
"""A materialized view that is made and not filled, in pg_dump's words."""


BY_SETTING = "MEDIATOOL_RESTORE_SKIP names it"
BY_OPTION = "--skip names it"

OF_CODE = dict.fromkeys(
    (
        "FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY",
        "TRIGGER", "RULE", "VIEW", "MATERIALIZED VIEW",
    ),
    "--untrusted leaves out code",
)  # fmt: skip
"""The kinds of objects that run something, with the reason why they can be left out."""


def leave_out(name: str) -> str:
    """The next step where an object cannot be restored, and in no version."""
    return (
        "other versions with it fail too: correct it in the source, or leave it out with "
        f"--skip '{name}' (MEDIATOOL_RESTORE_SKIP for the daily restore)"
    )


def by_setting(names: Iterable[str]) -> dict[str, str]:
    """Objects that the setting names, each with that as the reason why it is left out."""
    return dict.fromkeys(names, BY_SETTING)


def object_name(text: str) -> str:
    """``view  totals`` as ``VIEW totals``; raises ValueError with the rest of a sentence."""
    words = text.split()
    kinds = [kind.split() for kind in (*MADE_BY, ROWS_OF_VIEW)]
    found = [kind for kind in kinds if [w.upper() for w in words[: len(kind)]] == kind]
    kind = max(found, key=len, default=[])
    if not kind or len(words) == len(kind):
        raise ValueError(f"must be a kind and a name, such as VIEW totals, not {text!r}")
    return " ".join([*kind, text.split(None, len(kind))[-1].strip()])


def object_names(text: str) -> tuple[str, ...]:
    """Several of them with semicolons between them."""
    return tuple(object_name(part) for part in text.split(";") if part.strip())
