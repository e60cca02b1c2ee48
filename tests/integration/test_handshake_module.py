# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a playbook runs it: results that keep their words, and output without a secret at any verbosity."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.mutual.tls.plugins.module_utils import keystore_format
from ansible_collections.mutual.tls.plugins.module_utils.store import KeyEntry, Store
from tests.integration import servers
from tests.integration.handshake_world import World

Tool = Callable[[str], str]
CANARIES = {
    "letter": "e",
    "quotes": "can'ary\"quotes",
    "backslash": "canary\\back\\slash",
    "snowman": "canary\N{SNOWMAN}snowman",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("world"))
    one = world.clients["expired"][0]
    key = one.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for name, passphrase in CANARIES.items():
        store = Store((KeyEntry("client", key, (one.der,)),), "modern")
        world.write(name + ".p12", keystore_format.codec("pkcs12").encode(store, passphrase))
    return world


@pytest.fixture(scope="module")
def port(world: World, tool: Tool) -> Iterator[int]:
    directory = world.directory / "nginx"
    directory.mkdir()
    settings = f"""
    ssl_certificate {world.path("server.pem")};
    ssl_certificate_key {world.path("server.key")};
    ssl_client_certificate {world.path("root.pem")};
    ssl_verify_client on;
    location / {{ return 200 "you sent $http_authorization and $http_x_api_key"; }}
    """
    with servers.nginx(tool("nginx"), directory, settings) as port:
        yield port


SHORT = "e"
PEM_REQUEST = {"basic_auth": {"username": "user", "password": SHORT}, "headers": {"X-Api-Key": "canary-key"}}


def _cases(world: World, port: int) -> dict[str, dict[str, Any]]:
    """The options of every task, by its name."""
    shared = {"host": "127.0.0.1", "port": port, "server_name": "localhost", "request": {}}
    shared["truststore"] = {"path": world.path("root.pem")}
    good = {"privatekey_path": world.path("good.key"), "certificate_path": world.path("good.pem")}
    quoted = {"format": "pkcs12", "path": world.path("quotes.p12"), "passphrase": CANARIES["backslash"]}
    cases: dict[str, dict[str, Any]] = {
        "good": {**shared, "pem": good},
        "echo": {**shared, "pem": good, "request": PEM_REQUEST},
        "wrong passphrase": {**shared, "keystore": {**quoted, "passphrase": "s"}},
    }
    for name, secret in CANARIES.items():
        keystore = {"format": "pkcs12", "path": world.path(name + ".p12"), "passphrase": secret}
        request = {**PEM_REQUEST, "basic_auth": {"username": "user", "password": secret}}
        cases[name] = {**shared, "keystore": keystore, "request": request}
    secretive = {**shared, "keystore": quoted, "proxy": "http://user:canary-proxy@127.0.0.1:1"}
    for option, value in (("port", "canary port"), ("unknown", 1), ("timeout", 0)):
        cases["bad " + option] = {**secretive, option: value}
    return cases


class Run:
    """What one playbook run printed, and the result of each task by its name."""

    def __init__(self, output: str, results: dict[str, Any]) -> None:
        self.output = output
        self.results = results


def _play(tool: Tool, repository: Path, directory: Path, cases: dict[str, dict[str, Any]], *flags: str) -> Run:
    directory.mkdir()
    result = directory / "results.json"
    names = {name: f"found_{number}" for number, name in enumerate(cases)}
    tasks: list[dict[str, Any]] = [
        {"mutual.tls.handshake": options, "register": names[name], "ignore_errors": True}
        for name, options in cases.items()
    ]
    content = "{{ [" + ", ".join(names.values()) + "] | to_json }}"
    copy = {"dest": str(result), "content": content, "mode": "0600"}
    tasks.append({"ansible.builtin.copy": copy, "check_mode": False, "diff": False, "no_log": True})
    playbook = directory / "play.json"
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(repository / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "local"),
        "ANSIBLE_REMOTE_TEMP": str(directory / "remote"),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }
    argv = [tool("ansible-playbook"), "-i", "localhost,", str(playbook), *flags]
    done = subprocess.run(
        argv, cwd=repository, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return Run(output, dict(zip(names, json.loads(result.read_text()))))


@pytest.fixture(scope="module")
def run(tool: Tool, repository: Path, world: World, port: int) -> Run:
    return _play(tool, repository, world.directory / "run", _cases(world, port), "-vvvv")


def test_success_changes_nothing(tool: Tool, repository: Path, world: World, port: int, run: Run) -> None:
    cases = {"good": _cases(world, port)["good"]}
    checked = _play(tool, repository, world.directory / "check", cases, "--check")
    for found in (run.results["good"], checked.results["good"]):
        assert (found["changed"], found["failed"], found["ok"]) == (False, False, True)
        assert (found["diagnosis"]["code"], found["status"]) == ("ok", 200)


@pytest.mark.parametrize("canary", CANARIES)
def test_results_are_whole_whatever_the_passphrase(run: Run, canary: str) -> None:
    found = run.results[canary]
    assert found["failed"] is True
    assert found["diagnosis"]["code"] == "rejected_by_server"
    assert [cause["code"] for cause in found["diagnosis"]["causes"]] == ["certificate_expired"]
    assert found["msg"] == "{message}. {remedy}".format(**found["diagnosis"])
    assert found["server_certificates"][0]["subject"] == "CN=localhost"
    assert found["client_certificate_sent"] is True


def test_secrets_are_nowhere(world: World, run: Run) -> None:
    everything = run.output + json.dumps(run.results, ensure_ascii=False) + json.dumps(run.results)
    secrets = [secret for secret in CANARIES.values() if secret != SHORT]
    for secret in (*secrets, "canary-key", "canary-proxy"):
        for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert form not in everything
    assert f'"path": "{world.path("letter.p12")}"' in run.output
    assert '"passphrase": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"' in run.output
    assert f'"passphrase": "{SHORT}"' not in run.output
    assert f'"password": "{SHORT}"' not in run.output


def test_what_a_server_echoes_is_masked(run: Run) -> None:
    assert run.results["echo"]["body"] == "you sent Basic ******** and ********"


@pytest.mark.parametrize("option", ["port", "unknown", "timeout"])
def test_errors_in_options_name_the_option(run: Run, option: str) -> None:
    found = run.results["bad " + option]
    assert found["failed"] is True
    assert option in found["msg"]


def test_passphrase_that_is_wrong_is_a_diagnosis(run: Run) -> None:
    found = run.results["wrong passphrase"]
    assert found["diagnosis"]["code"] == "store_passphrase_wrong"
    assert found["msg"].startswith("keystore") and "passphrase" in found["msg"]
