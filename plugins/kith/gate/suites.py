"""Suites: the expectations of each feed and mart, those of a company included."""

import runpy
from pathlib import Path
from typing import Any

from kith.errors import BrokenCheckError, ConfigurationError
from kith.settings import REPOSITORY

Suites = dict[tuple[str, str], list[Any]]  # (marts or feeds, table) -> expectations


def load_suites(company_folder: Path) -> Suites:
    """Read the suites of Kith and those that the company adds to them."""
    suites: Suites = {}
    for root in (REPOSITORY / "expectations", company_folder / "expectations"):
        for path in sorted(root.glob("*/[!_]*.py")):
            kind, table = path.parent.name, path.stem
            if root.parent != REPOSITORY and (kind, table) not in suites:
                raise ConfigurationError(
                    f"{path}: there is no table {table} among the {kind}; call the "
                    "file after one of "
                    + ", ".join(name for folder, name in suites if folder == kind)
                )
            suites.setdefault((kind, table), []).extend(_read(path))
    return suites


def _read(path: Path) -> list[Any]:
    from great_expectations.expectations.expectation import Expectation

    try:
        expectations = list(runpy.run_path(str(path))["EXPECTATIONS"])
        if not all(isinstance(item, Expectation) for item in expectations):
            raise TypeError("EXPECTATIONS holds something else than expectations")
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        raise BrokenCheckError(f"{path}: the suite does not load: {message}") from error
    return expectations
