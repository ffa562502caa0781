"""Great Expectations, whatever the engine: its one context, and results in order."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from kith.settings import switch_telemetry_off

switch_telemetry_off()  # GX reads it once, when the first suite imports it
# A thousand lines about its own keys would hide in a task's log what the gate says.
logging.getLogger("great_expectations").setLevel(logging.WARNING)


@functools.cache
def context() -> Any:
    """The one context of the process. The import of GX takes 4 to 8 seconds."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            # Else each context leaves a folder for documents behind in /tmp.
            store_backend_defaults=InMemoryStoreBackendDefaults(
                init_temp_docs_sites=False
            ),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )


def validate(
    batch: Any,
    expectations: list[Any],
    details: dict[str, Any],
    has_details: Callable[[Any], bool] = lambda expectation: True,
) -> list[Any]:
    """GX's results in the order of the expectations.

    GX computes all of a query's rows, or of the failing keys, a second time: so
    `details`, a result format, is asked for only where something failed that has them.
    """
    results = _results(batch, expectations, {"result_format": "BASIC"})
    failed = [
        place
        for place, result in enumerate(results)
        if not result.success and has_details(expectations[place])
    ]
    detailed = _results(batch, [expectations[place] for place in failed], details)
    for place, result in zip(failed, detailed, strict=True):
        results[place] = result
    return results


def _results(
    batch: Any, expectations: list[Any], result_format: dict[str, Any]
) -> list[Any]:
    from great_expectations import ExpectationSuite

    if not expectations:
        return []
    # GX returns broken checks first, and refuses an expectation that already has
    # an id: so each goes in as a copy that knows its place.
    suite = ExpectationSuite(
        name="suite",
        expectations=[
            expectation.copy(update={"id": None, "meta": {"place": place}})
            for place, expectation in enumerate(expectations)
        ],
    )
    results = batch.validate(suite, result_format=result_format).results
    return sorted(results, key=lambda r: r.expectation_config.meta["place"])


def exception_of(info: dict[str, Any]) -> str | None:
    """The message when a check broke. GX nests it by metric, or not."""
    parts = [info] if "raised_exception" in info else list(info.values())
    for part in parts:
        if part.get("raised_exception"):
            return str(part.get("exception_message") or "no message")
    return None
