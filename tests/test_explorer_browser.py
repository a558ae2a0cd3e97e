"""The explorer in a real browser: what a person does, and that nothing is fetched from elsewhere."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpi_reporter.explorer.app import explorer
from kpi_reporter.explorer.login import with_login
from risk.settings import Secret
from tests.browser import Page, browsing
from tests.explorers import Figures, Served, make_store, served

TOKEN = "open-sesame-and-nothing-else"
EDITOR = "document.querySelector('.CodeMirror').CodeMirror"
RUN = "document.querySelector('form.sql button[type=submit]').click()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("explorer") / "risk.db"
    make_store(path)
    with explorer(path, Figures(path)) as app, served(with_login(app, Secret(""), time.time)) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with browsing() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    browser.fetched.clear()
    browser.complaints.clear()
    return browser


def run_sql(page: Page, sql: str) -> None:
    page.run(f"{EDITOR}.setValue({sql!r})")
    page.run_and_load(RUN)


def test_from_the_overview_to_a_query_to_sql_of_ones_own(server: Served, page: Page) -> None:
    page.open(f"http://{server.host}/")
    assert page.run("document.title") == "Overview · TrustLens"
    assert "120\ntransactions scored" in page.text
    assert page.run("[...document.querySelectorAll('svg.chart')].every(s => s.getBoundingClientRect().height > 50)")

    page.run_and_load(
        "[...document.querySelectorAll('a.card')].find(a => a.innerText.includes('highest risk')).click()"
    )
    assert page.run("document.querySelector('h1').innerText") == "Categories with the highest risk"
    assert "Grocery" in page.text

    page.run("document.querySelector('[name=days]').value = '1'")
    page.run_and_load("document.querySelector('form.asked button').click()")
    cells = "[...document.querySelectorAll('table.rows tbody td')].slice(0, 3).map(td => td.innerText)"
    assert page.run(cells) == ["Grocery", "24", "8"]

    page.run("document.querySelector('details.about').open = true")
    page.run_and_load("[...document.querySelectorAll('a')].find(a => a.innerText == 'Edit SQL').click()")
    assert "with until as" in page.run(f"{EDITOR}.getValue()")
    run_sql(page, "select level, count(*) as n from risk_flags group by level order by level")
    assert page.run("[...document.querySelectorAll('table.rows tbody tr')].map(tr => tr.innerText)") == [
        "high\t40",
        "low\t40",
        "medium\t40",
    ]
    assert page.complaints == []


def test_a_write_and_an_endless_query_are_refused_on_the_page_with_the_sql_to_mend(server: Served, page: Page) -> None:
    page.open(f"http://{server.host}/store")
    run_sql(page, "delete from risk_flags")
    assert "Nothing can be changed here" in page.text
    assert page.run(f"{EDITOR}.getValue()") == "delete from risk_flags"
    run_sql(page, "with a as (select 1) delete from risk_flags")
    assert "attempt to write a readonly database" in page.text
    run_sql(page, "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c")
    assert "It took longer than 1 s and was stopped" in page.text
    run_sql(page, "select count(*) as n from risk_flags")
    assert page.run("document.querySelector('table.rows td').innerText") == "120"


def test_from_an_alert_to_its_customer(server: Served, page: Page) -> None:
    page.open(f"http://{server.host}/store/alerts_of_the_last_day")
    customer = page.run("document.querySelector('table.rows a').innerText")
    assert page.run("document.querySelector('.reasons').innerText") == "at 00:00 UTC\namount <950> EUR"
    page.run_and_load("document.querySelector('table.rows a').click()")
    assert page.run("document.querySelector('[name=customer_id]').value") == customer
    assert page.run("document.querySelectorAll('table.rows tbody tr').length") == 24


def test_the_editor_formats(server: Served, page: Page) -> None:
    page.open(f"http://{server.host}/store")
    page.run(f"{EDITOR}.setValue('select 1, 2 from labels where 1 = 1')")
    page.run("document.querySelector('#sql-format').click()")
    assert page.run(f"{EDITOR}.getValue()").count("\n") > 3


@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("address", ["/", "/store", "/store/risk_flags", "/store/alerts_of_the_last_day"])
def test_a_page_fits_its_window_and_fetches_only_from_here(
    server: Served, page: Page, address: str, width: int
) -> None:
    page.resize(width, 900)
    page.open(f"http://{server.host}{address}")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert {url.split("/")[2] for url in page.fetched if not url.startswith("data:")} == {server.host}
    assert page.complaints == []


def test_signing_in_and_out(tmp_path: Path, page: Page) -> None:
    path = tmp_path / "risk.db"
    make_store(path, rows=3)
    with explorer(path, Figures(path)) as app, served(with_login(app, Secret(TOKEN), time.time)) as server:
        page.open(f"http://{server.host}/store/labels")
        assert "asks for its token" in page.text
        page.run("document.querySelector('#token').value = 'wrong'")
        page.run_and_load("document.querySelector('button').click()")
        assert "That is not the token." in page.text
        page.run(f"document.querySelector('#token').value = '{TOKEN}'")
        page.run_and_load("document.querySelector('button').click()")
        assert page.run("document.querySelector('h1').innerText") == "labels"
        assert page.run("document.cookie") == ""  # no script can read it
        page.open(f"http://{server.host}/")
        assert "transactions scored" in page.text
        page.run_and_load("document.querySelector('form.out button').click()")
        assert "asks for its token" in page.text
