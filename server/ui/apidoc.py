"""An OpenAPI 3.0 document as lists that a template can walk: references resolved, grouped. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, Any]]
    responses: list[tuple[str, str, list[str]]]

    @property
    def anchor(self) -> str:
        """Fragment that names the operation in the page."""
        return f"{self.method}{self.path}".replace("/", "-").replace("{", "").replace("}", "").rstrip("-")


@dataclass(frozen=True)
class Group:
    """Operations of one collection, or of one tag; one of the two is None."""

    collection: str | None
    tag: str | None
    operations: list[Operation]


def grouped_operations(document: Mapping[str, Any]) -> list[Group]:
    """Operations in the document's order, those of the service by tag first, then by collection.

    HEAD and OPTIONS are left out beside a GET.
    """
    groups: dict[tuple[bool, str], list[Operation]] = {}
    for path, item in document.get("paths", {}).items():
        collection = _collection_of(path)
        for method in (m for m in METHODS if m in item and not (m in {"head", "options"} and "get" in item)):
            tag = (item[method].get("tags") or [""])[0]
            groups.setdefault((collection is not None, collection or tag), []).append(
                _operation(document, path, method, item)
            )
    ordered = sorted(groups.items(), key=lambda entry: entry[0][0])
    return [Group(name if own else None, None if own else name, found) for (own, name), found in ordered]


def schema_text(schema: Mapping[str, Any]) -> str:
    """A schema in short: 'integer, 1–10000', 'string (date)', 'array of number'."""
    kind = schema.get("type", "")
    if kind == "array":
        kind = f"array of {schema_text(schema.get('items', {}))}"
    if form := schema.get("format"):
        kind = f"{kind} ({form})"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low}–{high}"
    if low is not None or high is not None:
        return f"{kind}, {'≥' if low is not None else '≤'} {low if low is not None else high}"
    return kind


def resolve(document: Mapping[str, Any], part: Any) -> Any:
    """Follow `$ref` inside the document: '#/components/parameters/limit'."""
    while isinstance(part, Mapping) and "$ref" in part:
        target: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        part = target
    return part


def _collection_of(path: str) -> str | None:
    steps = path.split("/")
    return steps[2] if len(steps) > 2 and steps[1] == "collections" and not steps[2].startswith("{") else None


def _operation(document: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any]) -> Operation:
    operation = item[method]
    raw = [*item.get("parameters", ()), *operation.get("parameters", ())]
    parameters = []
    for parameter in (resolve(document, p) for p in raw):
        schema = resolve(document, parameter.get("schema", {}))
        parameters.append({**parameter, "schema": schema, "type": schema_text(schema)})
    responses = []
    for status, response in operation.get("responses", {}).items():
        resolved = resolve(document, response)
        responses.append((str(status), resolved.get("description", ""), list(resolved.get("content", ()))))
    return Operation(
        method, path, operation.get("summary", ""), operation.get("description", ""), parameters, responses
    )
