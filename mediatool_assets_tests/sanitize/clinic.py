"""A source whose DDL holds personal data in every place that DDL has for it."""

from pathlib import Path

NAME, OTHER = "Thessaly Underwood", "Cosmo Featherby"
PHONE, MAIL = "+43 1 58858 0", "t.underwood@clinic.example.org"
ONLY = "Perdita Larkspur"
"""Somebody who is in no row."""

SQL = Path(__file__).with_name("clinic.sql").read_text("utf-8")

RULES = """
kinds: {person: person, email: email}
tables:
  patients:
    id: keep
    name: pseudonym person
    mail: pseudonym email
    phone: redact
    born: generalize year
    ward: keep
    doctor: pseudonym person
    mood: redact
    code: keep
    beds: keep
    stay: keep
    seen: keep
    note: redact
    fee: noise 20
    label: drop
  by_person: {id: keep, name: pseudonym person}
  by_birth: {id: keep, born: generalize year, name: pseudonym person}
  by_day: {id: keep, day: keep, who: pseudonym person}
  by_hash: {id: keep, name: pseudonym person}
"""
