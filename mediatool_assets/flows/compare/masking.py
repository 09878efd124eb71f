"""Sensitive values in examples: pseudonyms if there is a masking key, else hidden."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from mediatool_assets.domain.masking.checks import fits
from mediatool_assets.domain.masking.columns import column_mask
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.sanitize.rules_file import SHIPPED_RULES, load_rules

Show = Callable[[bytes], bytes]

_TOLD = (MaskingVerb.PSEUDONYM, MaskingVerb.GENERALIZE, MaskingVerb.NOISE)
"""Rules that leave a value to show; the other rules remove it."""

_IDS = ("number", "uuid", "token")
"""Pseudonym formats for ids; the other formats are for names, addresses and titles."""


@dataclass(frozen=True, slots=True)
class Masking:
    """Masking rules and the key, if any. Values that rules keep are shown.

    Other values are shown as pseudonyms with the key, and hidden without it.
    """

    key: MaskingKey | None
    rules: Rules

    @classmethod
    def of(cls, settings: Settings) -> "Masking":
        """The rules that the settings name, else the default rules; raises BadRules."""
        return cls(settings.masking_key, load_rules(settings.masking_rules or SHIPPED_RULES))

    def columns(self, table: Table, key: Collection[str] = ()) -> dict[str, Show | None]:
        """How to show each column that the rules cover; None if its values are hidden.

        ``key`` has the columns that identify rows. Without a masking key, ids among them and
        columns that the rules keep are left out of the result.
        """
        ruled = [(c, r) for c in table.columns if (r := self.rules.rule(table.name, c.name))]
        if self.key is None:
            return {
                column.name: None
                for column, rule in ruled
                if rule.verb is not MaskingVerb.KEEP
                and not (column.name in key and self._is_id(rule))
            }
        masker = Masker(self.key, self.rules.kinds.values())
        return {column.name: self._column(masker, table, column, rule) for column, rule in ruled}

    def _is_id(self, rule: MaskingRule) -> bool:
        return rule.verb is MaskingVerb.PSEUDONYM and self.rules.kinds[rule.argument].format in _IDS

    def _column(
        self, masker: Masker, table: Table, column: Column, rule: MaskingRule
    ) -> Show | None:
        if column.base in ("json", "jsonb"):
            return None
        if rule.verb is MaskingVerb.KEEP:
            return _kept
        if rule.verb not in _TOLD or not fits(self.rules, column, rule):
            return None
        return column_mask(masker, rule, f"{table.name}.{column.name}", column)


def _kept(value: bytes) -> bytes:
    return value
