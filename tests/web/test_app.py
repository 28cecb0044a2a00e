"""The door as a whole: every way in is in the table, every answer is shielded, operators' pages stay on the machine."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from web.app import ROUTES


def paths():
    return sorted({route.path.replace("{token}", "abc") for route in ROUTES})


def test_every_route_of_the_application_is_in_the_table(untouched):
    found = {
        (method, route.path)
        for route in untouched.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert found == {(route.method, route.path) for route in ROUTES}
    assert len(found) == len(untouched.app.routes) == len(ROUTES)


def test_only_posts_act():
    assert {route.method for route in ROUTES if route.does == "acts"} == {"POST"}
    assert {route.method for route in ROUTES if route.does != "acts"} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/u/", "/static/x", "/report/../ripen.toml"])
def test_there_is_no_other_way_in(untouched, path):
    assert untouched.browser.get(path).status_code == 404


@pytest.mark.parametrize("path", [*paths(), "/nowhere"])
def test_every_answer_is_shielded_and_sets_no_cookie(untouched, path):
    for method in ("GET", "POST", "HEAD", "PUT"):
        assert_shielded(untouched.browser.request(method, path))


def assert_shielded(answer):
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/u/abc/", "/p/abc/", "/report/"])
def test_no_redirect_names_the_host_of_a_request(untouched, path):
    answer = untouched.browser.get(path, headers={"host": "evil.example"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_health_says_whether_the_work_can_be_done(site):
    assert site.browser.get("/health").json() == {"status": "ok"}
    with site.world.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert site.browser.get("/health").status_code == 503


def test_the_front_page_leads_on(untouched):
    page = untouched.browser.get("/")
    assert '<a href="http://127.0.0.1:4200">' in page.text
    assert "No report yet" in page.text
    untouched.door.report.write_text("<h1>The report</h1>")
    assert '<a href="/report">' in untouched.browser.get("/").text
    assert untouched.browser.get("/report").text == "<h1>The report</h1>"
    untouched.door.report.unlink()


@pytest.mark.parametrize("path", ["/", "/report"])
@pytest.mark.parametrize(
    "asked",
    [
        {"host": "mails.example.com"},
        {"host": "127.0.0.1.example.com"},
        {"x-forwarded-for": "203.0.113.9"},
        {"x-forwarded-for": "127.0.0.1"},
    ],
    ids=["by a public name", "by a rebound name", "through a proxy", "through a proxy that lies"],
)
def test_operators_pages_are_not_shown_to_the_world(untouched, path, asked):
    untouched.door.report.write_text("<h1>The report</h1>")
    answer = untouched.browser.get(path, headers=asked)
    untouched.door.report.unlink()
    assert (answer.status_code, answer.text) == (404, "Nothing to see here.")


@pytest.mark.parametrize("name", ['<img src=x onerror="alert(1)">', "is {{ 7 * 7 }}", "'; DROP TABLE leads"])
def test_a_project_s_name_is_text_on_every_page(untouched, name):
    before, untouched.door.settings.project.name = untouched.door.settings.project.name, name
    pages = [untouched.browser.get(path).text for path in ("/", "/u/abc")]
    untouched.door.settings.project.name = before
    for page in pages:
        assert "<img" not in page
        assert " 49" not in page
