"""Microsoft Presidio's recognizers as a detector, if the extra ``presidio`` is installed.

Numbers with a form or check digits (cards, accounts, identity papers) need no language model and no
network. Names of people need a spaCy model, which the user has to select.
"""

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.masking.detection import PERSON, Detector, nothing

_RECOGNIZERS = (
    "CreditCardRecognizer", "CryptoRecognizer", "IbanRecognizer", "UsSsnRecognizer",
    "UsItinRecognizer", "UsNpiRecognizer", "UkNinoRecognizer", "NhsRecognizer", "CaSinRecognizer",
    "AuTfnRecognizer", "AuMedicareRecognizer", "DeTaxIdRecognizer", "DeSocialSecurityRecognizer",
    "EsNifRecognizer", "EsNieRecognizer", "ItFiscalCodeRecognizer", "PlPeselRecognizer",
    "FiPersonalIdentityCodeRecognizer", "SePersonnummerRecognizer", "InAadhaarRecognizer",
    "KrRrnRecognizer", "ZaIdNumberRecognizer", "MacAddressRecognizer", "IpRecognizer",
)  # fmt: skip
"""Presidio's recognizers that test a form, nearly all with check digits."""

_CERTAIN = 0.5  # minimum of Presidio's score; a form of few digits alone scores less


@lru_cache(maxsize=4)
def detector(name: str) -> Detector:
    """Return the detector of that name: "", ``presidio``, or ``presidio:MODEL`` with a spaCy model.

    A model is a package's name or a folder. Raises Misuse for another name, and if the extra or the
    model is not installed.
    """
    if not name:
        return nothing
    kind, _, model = name.partition(":")
    if kind != "presidio":
        raise Misuse(f"--detect {name!r} is not known; write presidio, or presidio:MODEL")
    if find_spec("presidio_analyzer") is None:
        raise Misuse(
            "--detect presidio needs Presidio; run `pip install 'mediatool_assets[presidio]'`"
        )
    return _Presidio(model)


class _Presidio:
    def __init__(self, model: str) -> None:
        module = import_module("presidio_analyzer.predefined_recognizers")
        self._recognizers = [getattr(module, name)() for name in _RECOGNIZERS]
        self._model = _model(model) if model else None

    def __call__(self, text: str) -> Iterator[str]:
        """Yield the types of entities that Presidio finds in a text."""
        if any(map(str.isdigit, text)):
            for recognizer in self._recognizers:
                for found in recognizer.analyze(text, recognizer.supported_entities, None):
                    if found.score >= _CERTAIN:
                        yield str(found.entity_type)
        if self._model is not None and any(
            e.label_ in ("PERSON", "PER") for e in self._model(text).ents
        ):
            yield PERSON


def _model(name: str) -> Any:
    try:
        return import_module("spacy").load(name)
    except OSError as error:
        raise Misuse(f"spaCy has no model {name}; try `python -m spacy download {name}`") from error
