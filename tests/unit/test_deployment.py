"""The image's and compose's files, and the commands of docs/deployment.md, name what there is."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml

from server.cli import app
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = ("compose.yaml", "compose.replicated.yaml")
OURS = "opennrw-geo"
SETTINGS = {str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()}


def read_compose(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def our_services(name: str) -> dict[str, dict[str, Any]]:
    return {key: value for key, value in read_compose(name)["services"].items() if value["image"] == OURS}


def find_command(words: list[str]) -> click.Command:
    """The command that `opennrw` runs for these arguments; KeyError where there is none."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    return command


def check_opennrw(words: list[str]) -> None:
    command = find_command(words)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known, words


def guide_commands() -> list[list[str]]:
    """The commands of the guide's shell blocks, as words, without the variables before them."""
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)).splitlines()
    found = [shlex.split(line, comments=True) for line in lines if not re.match(r"[A-Z0-9_]+=|\s*(#|$)", line)]
    return [*found, *(shlex.split(line.split(" ", 1)[1]) for line in lines if re.match(r"DB1_FIRST_START=\S+ ", line))]


def test_the_image_takes_what_there_is() -> None:
    allowed = set(re.findall(r"^!([\w.]+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_runs_without_rights() -> None:
    assert re.search(r"^USER \d+:\d+$", DOCKERFILE, re.MULTILINE)
    assert "\nVOLUME" not in DOCKERFILE, "each server would leave a volume without a name behind"
    assert set(re.findall(r"\b(OPENNRW_\w+)=", DOCKERFILE)) <= SETTINGS


@pytest.mark.parametrize("name", COMPOSE)
def test_the_image_is_built_once_and_never_fetched(name: str) -> None:
    services = our_services(name)
    assert [key for key, service in services.items() if "build" in service] == ["migrate"]
    assert {service["pull_policy"] for service in services.values()} == {"never"}
    arguments = re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE)
    assert services["migrate"]["build"]["args"] == arguments
    assert all(f"`{argument}`" in GUIDE for argument in arguments)


@pytest.mark.parametrize("name", COMPOSE)
def test_services_get_what_they_know_and_no_more(name: str) -> None:
    for key, service in our_services(name).items():
        assert set(service["environment"]) <= SETTINGS, key
        assert ("DATABASE_URL" in service["environment"]) == key.startswith(("migrate", "worker")), key
        if key.startswith("worker"):
            assert service["environment"]["OPENNRW_WORKER_GRACE"] < 60
            assert service["stop_grace_period"] == "1m"


@pytest.mark.parametrize("name", COMPOSE)
def test_services_run_commands_that_there_are(name: str) -> None:
    for service in our_services(name).values():
        match service.get("command"):
            case ["opennrw", *words]:
                check_opennrw(words)
            case ["sh", "-euc", script]:
                for line in re.findall(r"opennrw ([^;\n]+)", script.replace("$$", "$")):
                    check_opennrw(shlex.split(line))


@pytest.mark.parametrize("name", COMPOSE)
def test_what_compose_asks_of_its_user_is_in_the_guide(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for variable in set(re.findall(r"(?<!\$)\$\{(\w+)", text)):
        assert re.search(rf"\b{variable}\b", GUIDE), variable
    for path in re.findall(r"- \./(\S+?):", text):
        assert (ROOT / path).is_file(), path


def test_the_guide_runs_commands_that_there_are() -> None:
    checked = 0
    for words in guide_commands():
        if Path(words[0]).name == "opennrw":
            check_opennrw(words[1:])
            checked += 1
        elif words[:2] == ["docker", "compose"]:
            check_compose(words[2:])
            checked += 1
    assert checked >= 10
    for line in re.findall(r"`opennrw ([^`]+)`", GUIDE.replace("\n", " ")):
        check_opennrw(shlex.split(line))
    [volume] = re.findall(r"docker volume rm (\S+)", GUIDE)
    replicated = read_compose("compose.replicated.yaml")
    assert volume in {f"{replicated['name']}_{key}" for key in replicated["volumes"]}


def check_compose(words: list[str]) -> None:
    """Files and services exist, and so does the command that is run in one of ours."""
    name = "compose.yaml"
    if words[0] == "-f":
        name, words = words[1], words[2:]
    verb, *rest = (word for word in words if word not in ("--rm", "--detach", "--no-deps", "--stop", "--force"))
    services = read_compose(name)["services"]
    named = rest[:1] if verb in ("run", "exec") else rest
    assert set(named) <= set(services), words
    if verb in ("run", "exec") and rest[1] == "opennrw":
        check_opennrw(rest[2:])
