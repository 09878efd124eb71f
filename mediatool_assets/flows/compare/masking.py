"""Sensitive values of examples as pseudonyms: what the masking rules say, under the masking key."""

from collections.abc import Callable
from dataclasses import dataclass

from mediatool_assets.domain.masking.checks import fits
from mediatool_assets.domain.masking.columns import column_mask
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.rules import Rules, Verb
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.sanitize.rules_file import SHIPPED_RULES, load_rules

Show = Callable[[bytes], bytes]

_TOLD = (Verb.PSEUDONYM, Verb.GENERALIZE, Verb.NOISE)
"""What leaves something to see; the rest of the rules take a value away."""


@dataclass(frozen=True, slots=True)
class Masking:
    """A key and rules: what they keep is shown, and what they change is shown changed."""

    key: MaskingKey
    rules: Rules

    @classmethod
    def of(cls, settings: Settings) -> "Masking | None":
        """The shipped rules with the settings' key, if there is one; raises BadRules."""
        if settings.masking_key is None:
            return None
        return cls(settings.masking_key, load_rules(SHIPPED_RULES))

    def columns(self, table: Table) -> dict[str, Show | None]:
        """How each classified column is shown; None where its values are hidden."""
        masker = Masker(self.key, self.rules.kinds.values())
        return {
            column.name: self._column(masker, table, column)
            for column in table.columns
            if self.rules.rule(table.name, column.name) is not None
        }

    def _column(self, masker: Masker, table: Table, column: Column) -> Show | None:
        rule = self.rules.rule(table.name, column.name)
        if column.base in ("json", "jsonb"):
            return None
        if rule is not None and rule.verb is Verb.KEEP:
            return _kept
        if rule is None or rule.verb not in _TOLD or not fits(self.rules, column, rule):
            return None
        return column_mask(masker, rule, f"{table.name}.{column.name}", column)


def _kept(value: bytes) -> bytes:
    return value
