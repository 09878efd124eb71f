"""Texts as pg_dump writes them."""


def header(name: str, kind: str) -> str:
    """The comment before an entry."""
    return f"--\n-- Name: {name}; Type: {kind}; Schema: s; Owner: me\n--\n\n"


def dumped(*parts: str) -> str:
    """A whole ``schema.sql`` of entries."""
    return (
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict key\n\nSET statement_timeout = 0;\n\n"
        + "".join(parts)
        + "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict key\n\n"
        "SELECT pg_catalog.setval('s.numbers', 46, true);\n"
    )


def dumped_entry(kind: str, sql: str) -> str:
    """A ``schema.sql`` of one entry, and a table after it."""
    return dumped(
        header("thing", kind) + f"{sql}\n\n\n", header("u", "TABLE") + "CREATE TABLE s.u ();\n\n"
    )
