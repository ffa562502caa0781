"""The rooms of plugins/ are mirrored by the tests."""

import ast
from pathlib import Path

import pytest

from kith.settings import REPOSITORY

PLUGINS = REPOSITORY / "plugins"
MODULES = sorted(path.relative_to(PLUGINS) for path in PLUGINS.rglob("*.py"))


def has_behaviour(module: Path) -> bool:
    tree = ast.parse((PLUGINS / module).read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))


def mirror(module: Path) -> Path:
    inside = module.relative_to("kith") if module.parts[0] == "kith" else module
    return REPOSITORY / "tests" / inside.with_name(f"test_{module.name}")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_has_its_test_file(module: Path) -> None:
    assert mirror(module).is_file() or not has_behaviour(module)
