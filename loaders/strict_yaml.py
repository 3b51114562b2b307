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
        loader, node = _compose(text)
        _refuse_doubles(node, name)
        return model.model_validate(loader.construct_document(node) if node else None)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(f"{name}, line {line}: {error.problem}.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ManifestError(f"{name}, line {line}: {error.reason}.") from error
    except ValidationError as error:
        raise ManifestError("\n".join(_describe(e, node, name) for e in error.errors())) from error


def _compose(text: str) -> tuple[Any, yaml.Node | None]:
    """The document, and what makes values of it: libyaml, where PyYAML has it, is ten times as quick."""
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError:
        loader = yaml.SafeLoader(text)  # whose errors say more
        return loader, loader.get_single_node()


def read_yaml(path: Path, model: type[Model]) -> Model:
    """A model from its file. Raises ManifestError."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}. It must be YAML in UTF-8.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} cannot be read: {error}. It must be YAML in UTF-8.") from error
    return parse_yaml(text, model, str(path))


def read_named(path: Path, model: type[Model], member: str) -> Model:
    """A model from its file, whose name without its suffix must be the value of a member. Raises ManifestError."""
    found = read_yaml(path, model)
    if (name := getattr(found, member)) != path.stem:
        raise ManifestError(f"{path}: {member} is '{name}', the file's name is '{path.stem}': rename one.")
    return found


def _refuse_doubles(node: yaml.Node | None, name: str) -> None:
    """YAML takes the last of two keys in silence."""
    if isinstance(node, yaml.MappingNode):
        seen: set[Any] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ManifestError(f"{name}, line {line}: the key '{key.value}' stands twice; leave one of them.")
            seen.add(key.value)
            _refuse_doubles(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_doubles(child, name)


def _describe(error: Any, node: yaml.Node | None, name: str) -> str:
    location = ".".join(str(part) for part in error["loc"]) or "file"
    unknown = error["type"] == "extra_forbidden"
    reason = "unknown key; remove it or correct its spelling" if unknown else error["msg"].removeprefix("Value error, ")
    return f"{name}, line {_line_of(node, error['loc'])}: {location}: {reason}"


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Line of the innermost YAML node that an error's location reaches; a mapping may have been read as a sequence."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = node.value
            named = [pair for pair in pairs if pair[0].value == part]
            found = named or (pairs[part : part + 1] if isinstance(part, int) else [])
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            node, line = child, child.start_mark.line + 1
        else:
            break
    return line
