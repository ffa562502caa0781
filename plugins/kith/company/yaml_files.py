"""YAML files that a user writes: read strictly, with faults told by their place."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kith.errors import ConfigurationError


def read_yaml(path: Path) -> Any:
    """Content of a YAML file of keys and values.

    Raises ConfigurationError where it cannot be read, or a key stands twice.
    """
    try:
        # libyaml's loader: each task reads the company, and Python's takes 0.1 s.
        loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _check_nodes(path, loader, node)
        content = loader.construct_document(node) if node else None
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: not found; a company folder holds company.yml, sources.yml and "
            "staging/"
        ) from None
    except NotADirectoryError:
        raise ConfigurationError(
            f"{path.parent}: is no folder; a company is a folder that holds "
            "company.yml, sources.yml and staging/"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); check what it is and who may "
            "read it"
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8, or a key that is no day
        raise ConfigurationError(
            f"{path}: not valid YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected keys and values at the top level")
    return content


def unrendered(text: str) -> str:
    """The template of Jinja that renders to this very text.

    dbt renders the texts of YAML. What was delivered, or is called after it, must come
    out as it went in.
    """
    return re.sub(r"\{(?=[{%#])", '{{ "{" }}', text)


def _check_nodes(path: Path, loader: yaml.CSafeLoader, root: yaml.Node | None) -> None:
    """Refuse repeated keys, of which YAML takes the last, and values that are none."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            lines: dict[Any, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                name = (key.tag, str(key.value))
                if name in lines:
                    raise ConfigurationError(
                        f"{path}: line {line}: key `{key.value}` stands in line "
                        f"{lines[name]} already; each may stand once"
                    )
                lines[name] = line
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.ScalarNode):
            try:
                loader.construct_object(node)
            except ValueError as error:  # such as 2024-13-01
                raise ConfigurationError(
                    f"{path}: line {node.start_mark.line + 1}: {node.value} is no "
                    f"value of its kind ({error})"
                ) from None


def explained(path: Path, content: Any, error: ValidationError) -> ConfigurationError:
    """What pydantic found wrong with `content`, each fault by its place in the file."""
    faults = []
    for fault in error.errors():
        place, node = [], content
        for part in fault["loc"]:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                node = None
            # An entry of a list is called by its name, not by its number.
            is_named = isinstance(part, int) and isinstance(node, dict)
            place.append(str(node.get("name", part) if is_named and node else part))
        found = fault.get("input")
        shown = (
            f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""
        )
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = "is no key that Kith knows here; look for a misspelling"
        elif fault["type"].startswith("date_"):
            message = "expected a day such as 2024-01-31"
        elif fault["type"] in ("model_type", "dict_type"):
            message = "expected keys with values, or {} for none"
        elif fault["type"] == "list_type":
            message = "expected a list, such as [a, b]"
        faults.append(f"{'.'.join(place)}: {message}{shown}")
    return ConfigurationError(f"{path}: " + "; ".join(faults))
