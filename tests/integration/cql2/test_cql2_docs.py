"""Every example of docs/filter.md, run against the example's data."""

import re
import shlex
import subprocess
from pathlib import Path

import httpx
import pytest

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "filter.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(cql2(?:-json)?)(.*)\n((?:.+\n)+?)```$", TEXT, re.MULTILINE)
EXAMPLES = [(language, options, line) for language, options, block in BLOCKS for line in block.splitlines()]
COMMANDS = [
    command.replace("\\\n", "")
    for block in re.findall(r"^```\n((?:.+\n)+?)```$", TEXT, re.MULTILINE)
    for command in re.split(r"(?<!\\)\n", block.strip())
]


def test_the_page_has_examples_of_each_kind() -> None:
    assert len(EXAMPLES) > 20
    assert {language for language, _, _ in EXAMPLES} == {"cql2", "cql2-json"}
    assert {command.split()[0] for command in COMMANDS} == {"curl", "ogr2ogr"}


@pytest.mark.parametrize(("language", "options", "condition"), EXAMPLES, ids=[line[:60] for _, _, line in EXAMPLES])
def test_an_example_runs(live_server: str, language: str, options: str, condition: str) -> None:
    given = dict(option.split("=", 1) for option in options.split())
    collection = given.pop("collection", "adresse")
    given |= {"filter": condition, "filter-lang": "cql2-json" if language == "cql2-json" else "cql2-text"}
    answer = httpx.get(f"{live_server}/collections/{collection}/items", params=given, timeout=30)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(live_server: str, tmp_path: Path, command: str) -> None:
    words = shlex.split(command.replace("http://localhost:8080", live_server))
    quiet = ["-fsS"] if words[0] == "curl" else []
    done = subprocess.run([words[0], *quiet, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"numberReturned":' in done.stdout or (tmp_path / "streets.gpkg").exists()
