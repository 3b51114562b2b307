"""YAML that people write, into models: an unknown key, a wrong type or a double key is an error with file and line."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from loaders.errors import ManifestError

Model = TypeVar("Model", bound=BaseModel)


def parse_yaml(text: str, model: type[Model], name: str) -> Model:
    """A model from its YAML; `name` stands in error messages. Raises ManifestError."""
    node = None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_doubles(node, name)
        return model.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(f"{name}, line {line}: {error.problem}.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ManifestError(f"{name}, line {line}: {error.reason}.") from error
    except ValidationError as error:
        raise ManifestError("\n".join(_describe(e, node, name) for e in error.errors())) from error


def read_yaml(path: Path, model: type[Model], named: str) -> Model:
    """A model from its file, whose member `named` is the file's name. Raises ManifestError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}. It must be YAML in UTF-8.") from error
    found = parse_yaml(text, model, str(path))
    if (name := getattr(found, named)) != path.stem:
        raise ManifestError(f"{path}: {named} is '{name}', the file's name is '{path.stem}': rename one.")
    return found


def _refuse_doubles(node: yaml.Node | None, name: str) -> None:
    """YAML takes the last of two keys in silence."""
    if isinstance(node, yaml.MappingNode):
        seen: set[Any] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ManifestError(f"{name}, line {line}: {key.value} stands twice; leave one of them.")
            seen.add(key.value)
            _refuse_doubles(value, name)


def _describe(error: Any, node: yaml.Node | None, name: str) -> str:
    location = ".".join(str(part) for part in error["loc"])
    unknown = error["type"] == "extra_forbidden"
    reason = "unknown key; remove it or correct its spelling" if unknown else error["msg"].removeprefix("Value error, ")
    return f"{name}, line {_line_of(node, error['loc'])}: {location}: {reason}"


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Line of the innermost key that an error's location reaches."""
    line = 1
    for part in location:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if key.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
