"""A server with a token: nothing is seen without it, and typing it once is enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from headscope.dashboard import sign_in
from headscope.dashboard.app import ASSETS, create_app
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.storage.repository import Store

TOKEN = "correct-horse-battery-staple"
HOST = {"Host": "lab.example:8050"}
SETTINGS = Settings(host="0.0.0.0", allowed_hosts=("lab.example",), token=TOKEN)


@pytest.fixture
def client(empty: Store) -> FlaskClient:
    return create_app(Services(empty, settings=SETTINGS)).server.test_client()


def sign(client: FlaskClient, token: str, wanted: str = "/", **headers: str) -> tuple[int, str, str]:
    response = client.post("/sign-in", data={"token": token, "next": wanted}, headers=HOST | headers)
    return response.status_code, response.headers.get("Location", ""), response.text


def every_path(client: FlaskClient) -> list[tuple[str, str]]:
    """Every route with every method it takes; variables are filled in."""
    rules = client.application.url_map.iter_rules()
    return [(method, re.sub("<[^>]*>", "x", rule.rule)) for rule in rules for method in rule.methods or ()]


def test_every_route_asks_but_for_those_that_must_not(client: FlaskClient) -> None:
    open_ = {("GET", "/healthz"), ("GET", "/sign-in"), ("POST", "/sign-in")}
    paths = [*every_path(client), ("GET", "/_dash-component-suites/plotly/package_data/plotly.min.js")]
    assert len(paths) > 30
    for method, path in paths:
        if path.startswith("/assets/") or method in {"HEAD", "OPTIONS"} or (method, path) in open_:
            continue
        response = client.open(path, method=method, headers=HOST)
        asked = response.status_code == 401 or response.headers.get("Location", "").startswith("/sign-in")
        assert asked, (method, path, response.status)
        assert "Set-Cookie" not in response.headers


def test_health_tells_nothing_but_that_it_answers(client: FlaskClient, empty: Store) -> None:
    response = client.get("/healthz", headers=HOST)
    assert (response.status_code, response.text) == (200, "ok\n")
    without = create_app(Services(empty)).server.test_client()
    assert without.get("/healthz", headers={"Host": "127.0.0.1"}).text == "ok\n"
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("header", "status"),
    [(f"Bearer {TOKEN}", 200), ("Bearer wrong", 401), ("Bearer ", 401), (TOKEN, 401), (f"Basic {TOKEN}", 401),
     (f"Bearer {TOKEN}x", 401), (f"Bearer {TOKEN[:-1]}", 401), ("Bearer ü", 401)],
)  # fmt: skip
def test_programs_send_the_token(client: FlaskClient, header: str, status: int) -> None:
    assert client.get("/api/v1/live/models", headers=HOST | {"Authorization": header}).status_code == status


def test_the_token_opens_the_sql_api_too(client: FlaskClient) -> None:
    for token, status in ((TOKEN, 200), ("wrong", 401)):
        headers = HOST | {"Authorization": f"Bearer {token}"}
        response = client.post("/api/v1/sql", json={"statement": "SELECT 1 AS one"}, headers=headers)
        assert response.status_code == status


def test_typing_the_token_once_is_enough(client: FlaskClient) -> None:
    asked = client.get("/runs?experiment=a&page=2", headers=HOST)
    assert asked.status_code == 303
    page = client.get(asked.headers["Location"], headers=HOST)
    assert page.status_code == 200
    wanted = re.search(r'name="next" value="([^"]*)"', page.text)
    assert wanted is not None
    response = client.post(
        "/sign-in", data={"token": f" {TOKEN}\n", "next": wanted[1].replace("&amp;", "&")}, headers=HOST
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/runs?experiment=a&page=2")
    cookie = response.headers["Set-Cookie"]
    for part in ("headscope_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Expires="):
        assert part in cookie
    assert TOKEN not in cookie
    assert client.get("/", headers=HOST).status_code == 200
    assert client.get("/_dash-layout", headers=HOST).status_code == 200
    assert client.get("/api/v1/live/models", headers=HOST).status_code == 200


def test_a_cookie_of_another_server_or_a_forged_one_opens_nothing(empty: Store, client: FlaskClient) -> None:
    other = create_app(Services(empty, settings=SETTINGS)).server.test_client()
    assert sign(other, TOKEN)[0] == 303
    cookie = other.get_cookie("headscope_session", domain="lab.example")
    assert cookie is not None
    for value in (cookie.value, "eyJzaWduZWRfaW4iOnRydWV9.aaaa.bbbb"):
        client.set_cookie("headscope_session", value, domain="lab.example")
        assert client.get("/_dash-layout", headers=HOST).status_code == 401


def test_a_wrong_token_is_said_and_another_site_cannot_sign_us_in(client: FlaskClient) -> None:
    status, _, text = sign(client, "wrong")
    assert status == 403
    assert "not the server" in text
    assert sign(client, TOKEN, Origin="http://evil.example")[0] == 403
    assert client.get("/_dash-layout", headers=HOST).status_code == 401


@pytest.mark.parametrize(
    "wanted",
    ["http://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example",
     "javascript:1", "evil.example", "/\t/evil.example", "/\n/evil.example", "///evil.example", "", "/\x00"],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(client: FlaskClient, wanted: str) -> None:
    assert sign(client, TOKEN, wanted)[:2] == (303, "/")
    asked = client.get("/sign-in", query_string={"next": wanted}, headers=HOST)
    assert 'name="next" value="/"' in asked.text


def test_what_is_asked_for_is_written_as_text(client: FlaskClient) -> None:
    asked = client.get("/sign-in", query_string={"next": '/"><script>alert(1)</script>{{ 7 * 7 }}'}, headers=HOST)
    assert "<script>alert" not in asked.text
    assert "49" not in re.findall(r'name="next" value="([^"]*)"', asked.text)[0]


def test_guessing_is_slowed_down_by_address(client: FlaskClient, empty: Store) -> None:
    now = [1000.0]
    throttle = sign_in.Throttle(lambda: now[0])
    for _ in range(sign_in.MOST_FAILURES):
        assert throttle.wait("a") == 0
        throttle.failed("a")
    assert throttle.wait("a") == sign_in.WINDOW_SECONDS
    assert throttle.wait("b") == 0
    now[0] += sign_in.WINDOW_SECONDS
    assert throttle.wait("a") == 0
    for number in range(2 * sign_in.MOST_ADDRESSES):
        throttle.failed(str(number))
    assert len(throttle._failures) == sign_in.MOST_ADDRESSES
    for _ in range(sign_in.MOST_FAILURES):
        assert sign(client, "wrong")[0] == 403
    status, _, text = sign(client, TOKEN)
    assert status == 429
    assert "wait" in text
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    done = client.post("/sign-in", data={"token": TOKEN}, headers=HOST, environ_base=elsewhere)
    assert done.status_code == 303


def test_the_page_has_what_it_shows(client: FlaskClient) -> None:
    page = client.get("/sign-in", headers=HOST)
    links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert len(links) >= 5
    for link in links:
        assert link.startswith("/assets/")
        assert client.get(link, headers=HOST).status_code == 200, link
    assert page.headers["Cache-Control"] == "no-store"
    for path in ("/assets/../app.py", "/assets/%2e%2e/app.py", "/assets/..%2fapp.py"):
        assert client.get(path, headers=HOST).status_code in {303, 404}
    assert client.post("/assets/favicon.svg", headers=HOST).status_code == 401
    assert (ASSETS / "favicon.svg").exists()


def test_without_a_token_there_is_no_page(empty: Store) -> None:
    client = create_app(Services(empty)).server.test_client()
    assert client.get("/", headers={"Host": "localhost"}).status_code == 200
    assert client.post("/sign-in", headers={"Host": "localhost"}).status_code == 405
    assert TOKEN not in repr(Settings(token=TOKEN, api_token=TOKEN, secret_key=TOKEN))


def test_a_store_folder_is_not_an_asset(client: FlaskClient, tmp_path: Path) -> None:
    assert client.get("/assets/" + "../" * 12 + str(tmp_path).lstrip("/"), headers=HOST).status_code in {303, 404}
