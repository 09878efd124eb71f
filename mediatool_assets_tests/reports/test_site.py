"""The site of reports: complete, linked, and rebuilt without reading everything again."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from mediatool_assets import pages as storage
from mediatool_assets.core.version import metadata_key, report_key
from mediatool_assets.reports.site import INDEX_KEY, publish, write
from mediatool_assets_tests.complete_versions import USERS, complete, users
from mediatool_assets_tests.made_up_site import DAYS, fill, version_of
from mediatool_assets_tests.twins import DirectoryObjects

LAST = {
    "index", "daily-metrics-comparison", "version-comparison", "data-integrity-report",
    "bucket-posture", "bucket-costs", "20250622-020000-sanitized-report",
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> DirectoryObjects:
    """A bucket with reports of every kind, which no test changes."""
    folder = tmp_path_factory.mktemp("filled")
    objects = DirectoryObjects(folder)
    fill(objects, folder)
    return objects


@pytest.fixture(scope="module")
def site(filled: DirectoryObjects, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site in a folder."""
    return write(filled, tmp_path_factory.mktemp("site")).parent


def links(page: Path) -> set[str]:
    """Where the links of a page lead, without the places within a page."""
    found = re.findall(r"href='([^'#]+)'", page.read_text("utf-8"))
    return {unquote(link) for link in found}


def test_every_kind_of_report_is_a_page(site: Path) -> None:
    """Of the last day all of them, of the others those that there are."""
    assert {path.stem for path in (site / DAYS[-1]).iterdir()} == LAST
    assert {path.stem for path in (site / DAYS[0]).iterdir()} == {
        "index",
        "daily-metrics-comparison",
        "version-comparison",
    }


def test_every_link_leads_to_a_page_and_every_page_is_linked(site: Path) -> None:
    """Links are relative, so that the site works wherever it is copied to."""
    pages = {path.resolve() for path in site.rglob("*.html")}
    reached = {(page.parent / link).resolve() for page in pages for link in links(page)}
    assert reached == pages


def test_a_day_s_reports_link_to_each_other_and_to_the_days_beside(site: Path) -> None:
    """From any report of a day."""
    for page in (site / DAYS[-1]).iterdir():
        assert {f"{name}.html" for name in LAST} <= links(page)
        assert f"../{DAYS[-2]}/index.html" in links(page)
    middle = links(site / DAYS[1] / "index.html")
    assert {f"../{DAYS[0]}/index.html", f"../{DAYS[2]}/index.html"} <= middle


def test_the_index_shows_each_version(site: Path) -> None:
    """With the worst verdict of its reports, in the calendar and in the table."""
    text = (site / "index.html").read_text("utf-8")
    assert f"href='{DAYS[-1]}/index.html' title='{DAYS[-1]}: failed, 1 version'" in text
    assert "3 versions from 2025-06-20 to 2025-06-22" in text
    for day in DAYS:
        assert str(version_of(day)) in text
    assert "<caption>2025-06</caption>" in text


def test_a_version_without_reports_does_not_hide_the_one_that_was_checked(tmp_path: Path) -> None:
    """The day has the verdict of its newest version with reports; older verdicts are kept."""
    objects, day = DirectoryObjects(tmp_path), DAYS[0]
    first = complete(objects, str(version_of(day)), {USERS: users("a")})
    report = report_key("data-integrity-report", day)
    storage.keep(objects, report, f'{{"version":"{first}","verdict":"passed"}}'.encode())
    publish(objects, day)
    second = complete(objects, f"{day.replace('-', '')}-200000", {USERS: users("a")})
    publish(objects, day)
    index = objects.get(INDEX_KEY)[0].decode()
    assert f"title='{day}: passed, 2 versions'" in index
    assert "not checked" in index
    storage.keep(objects, report, f'{{"version":"{second}","verdict":"failed"}}'.encode())
    publish(objects, day)
    known = json.loads(objects.get("comparison-reports/index.json")[0])["versions"]
    assert [version["verdict"] for version in known] == ["passed", "failed"]


def test_cards_show_only_what_there_is(site: Path) -> None:
    """A table that the model names and no version has is not shown as an empty card."""
    text = (site / DAYS[-1] / "daily-metrics-comparison.html").read_text("utf-8")
    assert "<dt>Users</dt>" in text
    assert "Campaigns" not in text


def test_no_report_refers_to_a_document_that_its_reader_does_not_have(site: Path) -> None:
    """Nothing is explained by "the spec"."""
    for page in site.rglob("*.html"):
        assert "the spec" not in re.sub(r"<style>.*?</style>", "", page.read_text("utf-8"))


def test_an_empty_bucket_has_an_index(tmp_path: Path) -> None:
    """It says that there is no version yet."""
    index = write(DirectoryObjects(tmp_path / "bucket"), tmp_path / "site")
    assert "no complete version" in index.read_text("utf-8")


def test_publishing_a_day_reads_the_metadata_of_no_other(tmp_path: Path) -> None:
    """What was known of other versions stays; a version that is gone leaves the index."""
    objects = DirectoryObjects(tmp_path)
    for day, names in zip(DAYS, ("a", "bc", "def"), strict=True):
        complete(objects, str(version_of(day)), {USERS: users(*names)})
    for day in DAYS:
        assert publish(objects, day) == objects.uri(INDEX_KEY)
    first = objects.root / "objects" / metadata_key(version_of(DAYS[0]))
    first.chmod(0o600)
    first.write_bytes(b"unreadable")
    publish(objects, DAYS[-1])
    assert str(version_of(DAYS[0])) in objects.get(INDEX_KEY)[0].decode()
    first.unlink()
    publish(objects, DAYS[-1])
    assert str(version_of(DAYS[0])) not in objects.get(INDEX_KEY)[0].decode()


def test_the_day_before_links_to_a_new_day(tmp_path: Path) -> None:
    """Its pages are written again when the next day is there."""
    objects = DirectoryObjects(tmp_path)
    for day in DAYS[:2]:
        complete(objects, str(version_of(day)), {USERS: users("a")})
        publish(objects, day)
    before, _ = objects.get(f"comparison-reports/{DAYS[0]}/index.html")
    assert f"../{DAYS[1]}/index.html" in before.decode()


def test_a_report_that_cannot_be_read_is_a_page_that_says_so(tmp_path: Path) -> None:
    """The rest of the site is written."""
    objects = DirectoryObjects(tmp_path / "bucket")
    complete(objects, str(version_of(DAYS[0])), {USERS: users("a")})
    objects.put(f"comparison-reports/{DAYS[0]}/data-integrity-report.json", b"{}")
    objects.put(f"comparison-reports/{DAYS[0]}/of-a-user.json", b"{}")
    folder = write(objects, tmp_path / "site").parent
    text = (folder / DAYS[0] / "data-integrity-report.html").read_text("utf-8")
    assert "cannot be read" in text and "unknown" in text
    assert not (folder / DAYS[0] / "of-a-user.html").exists()
