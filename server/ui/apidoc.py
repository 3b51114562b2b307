"""An OpenAPI 3.0 document as lists that a template can walk: references resolved, operations by tag. Pure functions."""

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


def operations_by_tag(document: Mapping[str, Any]) -> list[tuple[str, str, list[Operation]]]:
    """(tag, its description, operations) in the document's order; HEAD and OPTIONS are left out beside a GET."""
    described = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    by_tag: dict[str, list[Operation]] = {name: [] for name in described}
    for path, item in document.get("paths", {}).items():
        methods = [m for m in METHODS if m in item and not (m in {"head", "options"} and "get" in item)]
        for method in methods:
            tag = (item[method].get("tags") or [""])[0]
            by_tag.setdefault(tag, []).append(_operation(document, path, method, item))
    return [(tag, described.get(tag, ""), found) for tag, found in by_tag.items() if found]


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
