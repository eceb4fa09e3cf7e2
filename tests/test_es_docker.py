"""The compose file of es-docker: that it holds together, without Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

FOLDER = Path(__file__).parent.parent / "es-docker"
TEXT = (FOLDER / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENVIRONMENT = dotenv_values(FOLDER / ".env")
COMPOSE_ITSELF = {"COMPOSE_PROJECT_NAME"}


def test_every_variable_is_defined_and_used() -> None:
    used = set(re.findall(r"(?<!\$)\$\{?(\w+)", TEXT))
    assert used | COMPOSE_ITSELF == set(ENVIRONMENT)
    assert all(ENVIRONMENT.values())


def test_the_project_name_is_one_that_compose_accepts() -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", ENVIRONMENT["COMPOSE_PROJECT_NAME"] or "")


def test_whoever_is_waited_for_says_when_it_is_ready() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            awaited = SERVICES[other]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in awaited, (name, other)
            else:
                assert how["condition"] == "service_completed_successfully"
                assert "restart" not in awaited, "it would never be complete"
            # one that is always started cannot wait for one of a profile
            assert set(awaited.get("profiles", [])) <= set(service.get("profiles", []))


def test_whoever_keeps_running_has_a_healthcheck_and_a_limit() -> None:
    lasting = {name for name, service in SERVICES.items() if "restart" in service}
    assert lasting == {"es01", "es02", "es03", "kibana", "app"}
    for name in lasting:
        assert {"test", "interval", "timeout", "retries"} <= set(SERVICES[name]["healthcheck"])
        assert "mem_limit" in SERVICES[name]


def test_each_profile() -> None:
    started = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert started == {"setup", "es01"}
    profiles = {profile for service in SERVICES.values() for profile in service.get("profiles", [])}
    assert profiles == {"kibana", "three-nodes", "app"}


def test_volumes_are_declared_and_each_node_has_its_own() -> None:
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    ]
    assert set(mounted) == {*COMPOSE["volumes"], "${PHOTOS}"}
    assert all(mounted.count(f"data0{n}") == 1 for n in (1, 2, 3))


def test_everything_speaks_tls_with_a_certificate_that_setup_makes() -> None:
    made = set(re.findall(r"for name in ([\w ]+);", TEXT)[0].split())
    for name in ("es01", "es02", "es03"):
        settings = SERVICES[name]["environment"]
        assert settings["xpack.security.enabled"] == "true"
        for layer in ("http", "transport"):
            assert settings[f"xpack.security.{layer}.ssl.enabled"] == "true"
            assert settings[f"xpack.security.{layer}.ssl.key"] == f"certs/{name}/{name}.key"
        assert name in made
    assert "kibana" in made
    # the service that makes them is done when the last one of them is there
    assert "if [ ! -f es03/es03.crt ]" in SERVICES["setup"]["command"][-1]


def test_nothing_is_open_to_the_network_unless_asked_for() -> None:
    for port in ("ES_PORT", "KIBANA_PORT", "APP_PORT"):
        assert (ENVIRONMENT[port] or "").startswith("127.0.0.1:")
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"es01", "kibana", "app"}


def test_the_page_has_no_rights_and_only_reads_photos() -> None:
    app = SERVICES["app"]
    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    assert app["security_opt"] == ["no-new-privileges:true"]
    assert "${PHOTOS}:/photos:ro" in app["volumes"]
    assert "certs:/certs:ro" in app["volumes"]
    assert app["depends_on"]["app-models"]["condition"] == "service_completed_successfully"


def test_the_shell_scripts_are_valid() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    for service in SERVICES.values():
        if "command" in service:
            script = service["command"][-1].replace("$$", "$")
            done = subprocess.run(
                [bash, "-n"], input=script, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "profiles", [[], ["kibana"], ["three-nodes"], ["app"], ["app", "kibana", "three-nodes"]]
)
def test_docker_compose_accepts_it(profiles: list[str]) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed")
    options = [word for profile in profiles for word in ("--profile", profile)]
    command = [program, "--env-file", ".env", "-f", "compose.yaml", *options, "config"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    wanted = {
        name
        for name, each in SERVICES.items()
        if set(each.get("profiles", profiles)) <= {*profiles}
    }
    assert all(f"  {name}:" in done.stdout for name in wanted)


def test_the_readme_says_what_the_file_does() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    for name in ENVIRONMENT:
        assert f"`{name}`" in readme
    for profile in ("kibana", "three-nodes", "app"):
        assert f"--profile {profile}" in readme
    assert "es01:/usr/share/elasticsearch/config/certs/ca/ca.crt" in readme
    assert "synchronize" in readme.lower()
