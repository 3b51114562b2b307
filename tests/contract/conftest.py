"""Documents of a running service and the standards' own schemas to hold them against."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


@pytest.fixture(scope="session")
def service(live_server: str) -> Iterator[httpx.Client]:
    """HTTP to a service over the example."""
    with httpx.Client(base_url=live_server, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def documents(service: httpx.Client) -> Callable[..., Any]:
    """A JSON document of the service: `documents("/collections", lang="en")`."""

    def get(path: str, **parameters: str) -> Any:
        answer = service.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


@pytest.fixture(scope="session")
def conforms(standards: Path) -> Callable[[Any, str], None]:
    """Validates a document by a schema file of the standards, JSON or YAML, with its references."""

    def retrieve(uri: str) -> Resource[Any]:
        path = Path(uri.removeprefix("file://"))
        assert standards in path.parents, f"{uri} is not among the standards' files"
        text = path.read_text("utf-8")
        contents = json.loads(text) if path.suffix == ".json" else _without_nullable(yaml.safe_load(text))
        return Resource.from_contents(contents, default_specification=DRAFT202012)

    def validate(document: Any, name: str) -> None:
        registry: Registry[Any] = Registry(retrieve=retrieve)  # pyright: ignore[reportCallIssue]
        validator = jsonschema.Draft202012Validator({"$ref": (standards / name).as_uri()}, registry=registry)
        errors = "\n".join(f"{e.json_path}: {e.message[:300]}" for e in validator.iter_errors(document))
        assert not errors, f"{name}: {errors}"

    return validate


def _without_nullable(node: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema: `nullable` is a type of its own there."""
    if isinstance(node, list):
        return [_without_nullable(child) for child in node]
    if not isinstance(node, dict):
        return node
    found = {key: _without_nullable(child) for key, child in node.items()}
    if "type" in found and found["type"] is None:
        found["type"] = "null"  # which the files write without quotes
    if found.pop("nullable", False) is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
