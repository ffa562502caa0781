"""YAML files are read strictly, and what cannot be read is named."""

import shutil
from pathlib import Path

import jinja2
import pytest

from kith.company.folder import load_company
from kith.company.yaml_files import read_yaml, unrendered
from kith.errors import ConfigurationError
from tests.company.faults import CORNER_SHOP


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: key `a` stands in line 1 already"),
        ("a:\n  - {b: 1, b: 2}\n", "line 2: key `b` stands in line 2 already"),
        ("day: 2024-13-01\n", "line 1: 2024-13-01 is no value of its kind"),
        ("- a\n", "expected keys and values at the top level"),
        ("", "expected keys and values at the top level"),
        ("a: [", "not valid YAML"),
    ],
)
def test_what_yaml_would_take_without_a_word_is_refused(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "some.yml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_yaml(path)
    assert words in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_keys_of_an_anchor_may_be_replaced(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    path = folder / "company.yml"
    states = "{drowsy: 14, half_asleep: 45, asleep: 90}"
    text = path.read_text()
    assert states in text
    path.write_text(text.replace(states, f"{{<<: &usual {states}, drowsy: 7}}"))
    assert load_company(folder).activity_states.drowsy == 7


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"company\.yml: not found"):
        load_company(tmp_path / "nobody")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="/file: is no folder; a company is"):
        load_company(tmp_path / "file")
    (tmp_path / "company.yml").mkdir()
    with pytest.raises(ConfigurationError, match=r"company\.yml: cannot be read"):
        load_company(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("{{ x }}", "{{{ x }}}", "{%% raw %}", "{{%{#", "{{ '{{ x }}' }}", "{# x"),
        *("{% endraw %}", "{", "{ {", "plain", '{{ "{" }}{ x }}', "}} %}"),
    ],
)
def test_a_text_renders_to_itself(text: str) -> None:
    assert jinja2.Template(unrendered(text)).render(x="rendered") == text
