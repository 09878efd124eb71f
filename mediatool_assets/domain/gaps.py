"""Gaps: what the objects of the exported schemas need, and no version of these schemas has."""

import msgspec


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object of the exported schemas that needs one outside of them.

    Kinds and names are PostgreSQL's own (``pg_identify_object``). ``schema`` is that of what is
    needed; None where that is in no schema, as a foreign server.
    """

    kind: str
    name: str
    needs_kind: str
    needs: str
    schema: str | None = None

    @property
    def stops_restore(self) -> bool:
        """Whether the object cannot be made without it; a foreign key is left out instead."""
        return self.kind != "table constraint"

    def __str__(self) -> str:
        what = f"the {self.kind} {self.name} needs the {self.needs_kind} {self.needs}"
        if self.name == self.needs:
            what = f"the {self.kind} {self.name} holds rows of a table in an exported schema"
        elif not self.stops_restore:
            what = f"the foreign key {self.name} refers to {self.needs}"
        fix = f"add {self.schema} to MEDIATOOL_POSTGRES_SCHEMA"
        if not self.stops_restore:
            return f"{what}, in a schema that is not exported: restores leave it out; {fix}"
        skip = "leave it out of restores with MEDIATOOL_RESTORE_SKIP"
        if self.schema is None:
            return f"{what}, which is in no schema and not exported: a restore fails; {skip}"
        return f"{what}, in a schema that is not exported: a restore fails; {fix}, or {skip}"
