"""Who will buy, pay again, become VIP: models fitted, judged, applied, table to table.

A model is fitted to customers as they were on the day of training and judged, a horizon
later, on customers as they were then: what came after that day it has not seen. What is
then applied to customers of today is fitted in the same way to the later day. It is
published where it is wrong no more often than allowed, and better than one indicator
alone: for purchases the days since the last one.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
from threadpoolctl import threadpool_limits

from kith.models import judgements
from kith.models.classifiers import Classifier, fit
from kith.models.judgements import Estimate
from kith.models.lifetime_fits import Refusal
from kith.models.observations import BASELINES, Asked, asked, leaks_of, matrix

QUESTIONS = ("buys_again", "pays_again", "becomes_vip")
# Of customers of whom it came, and of whom not, on the day of training and of judging.
MINIMUM_CUSTOMERS = 100


class Limits(NamedTuple):
    """How often a model may be wrong, as shares."""

    error_rate: float
    miss_rate: float

    @classmethod
    def of_percents(cls, error_rate_pct: float, miss_rate_pct: float) -> "Limits":
        """The limits that a company declares."""
        return cls(float(error_rate_pct) / 100, float(miss_rate_pct) / 100)


class Metric(NamedTuple):
    """A number about a model and its limit."""

    metric: str
    estimate: Estimate
    limit_value: float | None = None
    is_trained: bool = False


_EVALUATION = pa.schema(
    {
        "model": pa.string(),
        "population": pa.string(),
        "metric": pa.string(),
        "value": pa.float64(),
        "lower_bound": pa.float64(),
        "upper_bound": pa.float64(),
        "limit_value": pa.float64(),
        "n": pa.int64(),
        "role": pa.string(),
        "status": pa.string(),
        "reason": pa.string(),
    }
)
_PREDICTION = pa.schema(
    {
        "customer_id": pa.string(),
        "question": pa.string(),
        "probability": pa.float64(),
        "is_foretold": pa.bool_(),
    }
)


def evaluate(
    indicators: pa.Table, outcomes: pa.Table, findings: pa.Table, limits: Limits
) -> pa.Table:
    """Fit and judge the model of each question; one row per model and metric.

    `role` says of which day the number is: train or test. `status` is published or
    refused, and `reason` says why it is refused.
    """
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):  # more would wait for each other, and for DuckDB
        for question in QUESTIONS:
            found, reason = [], None
            try:
                for metric in _judged(
                    indicators, outcomes, question, leaks_of(findings, question), limits
                ):
                    found.append(metric)
            except Refusal as refusal:
                reason = str(refusal)
            rows += [
                {
                    "model": question,
                    "population": "all",
                    "metric": metric.metric,
                    "value": metric.estimate.value,
                    "lower_bound": metric.estimate.lower,
                    "upper_bound": metric.estimate.upper,
                    "limit_value": metric.limit_value,
                    "n": metric.estimate.n,
                    "role": "train" if metric.is_trained else "test",
                    "status": "refused" if reason else "published",
                    "reason": reason,
                }
                for metric in found
            ]
    return pa.Table.from_pylist(rows, _EVALUATION)


def predict(
    indicators: pa.Table,
    outcomes: pa.Table,
    findings: pa.Table,
    evaluations: pa.Table,
    limits: Limits,
    today: Iterable[pa.Table],
) -> pa.Table:
    """Apply what `evaluate` has published; one row per question and customer asked.

    `today` are the rows of int_indicators on the as-of date, in parts. Probability and
    whether it is foretold are NULL where the model is refused.
    """
    published = {
        row["model"] for row in evaluations.to_pylist() if row["status"] == "published"
    }
    models: dict[str, tuple[Classifier, list[str]]] = {}
    with threadpool_limits(1):
        for question in QUESTIONS:
            if question in published:
                seen = _asked(
                    indicators, outcomes, question, "test", leaks_of(findings, question)
                )
                models[question] = (
                    fit(seen.indicators, seen.outcome, *limits),
                    seen.names,
                )
        parts = [_PREDICTION.empty_table()]
        now = outcomes.filter(pa.compute.equal(outcomes["role"], "score"))
        for rows in today:
            for question in QUESTIONS:
                parts.append(_applied(rows, now, question, models.get(question)))
    return pa.concat_tables(parts)


def _applied(
    rows: pa.Table,
    now: pa.Table,
    question: str,
    model: tuple[Classifier, list[str]] | None,
) -> pa.Table:
    whom = now.filter(pa.compute.equal(now["question"], question))["customer_id"]
    rows = rows.filter(pa.compute.is_in(rows["customer_id"], whom.combine_chunks()))
    if model:
        classifier, names = model
        probability = pa.array(classifier.probability(matrix(rows, names)))
        is_foretold = pa.compute.greater_equal(probability, classifier.threshold)
    else:
        probability = pa.nulls(len(rows), pa.float64())
        is_foretold = pa.nulls(len(rows), pa.bool_())
    return pa.table(
        [
            rows["customer_id"].cast(pa.string()),
            pa.array([question] * len(rows), pa.string()),
            probability,
            is_foretold,
        ],
        _PREDICTION,
    )


def _judged(
    indicators: pa.Table,
    outcomes: pa.Table,
    question: str,
    leaks: set[str],
    limits: Limits,
) -> Iterator[Metric]:
    """What is found of a model; raises Refusal when something speaks against it."""
    before = asked(indicators, outcomes, question, "train")
    came = Estimate(0.0, 0)
    if before is not None:
        came = Estimate(float(before.outcome.sum()), len(before.outcome))
    yield Metric("positives", came, is_trained=True)
    before = _asked(indicators, outcomes, question, "train", leaks)
    after = _asked(indicators, outcomes, question, "test", leaks)
    model = fit(before.indicators, before.outcome, *limits)
    probability, outcome = model.probability(after.indicators), after.outcome
    n = len(outcome)
    yield Metric(
        "indicators", Estimate(float(len(model.coefficients)), came.n), None, True
    )
    yield Metric("threshold", Estimate(model.threshold, came.n), None, True)
    yield Metric("base_rate", judgements.share(int(outcome.sum()), n))
    counts = judgements.confusion(outcome, probability >= model.threshold)
    error_rate, miss_rate = counts.error_rate, counts.miss_rate
    yield Metric("error_rate", error_rate, limits.error_rate)
    yield Metric("miss_rate", miss_rate, limits.miss_rate)
    yield Metric("precision", counts.precision)
    yield Metric("recall", counts.recall)
    area = judgements.area_under_curve(outcome, probability)
    baseline = after.baseline(question)
    alone = judgements.area_under_curve(outcome, baseline)
    gain = judgements.area_gained(outcome, probability, baseline)
    yield Metric("auc", area)
    yield Metric("baseline_auc", alone)
    yield Metric("auc_gained", gain, 0.0)
    yield Metric("brier_score", judgements.brier_score(outcome, probability))
    yield Metric(
        "calibration_slope", judgements.calibration_slope(outcome, probability)
    )
    if error_rate.value is None or miss_rate.value is None:
        raise Refusal("it names nobody on the day of judging")
    for words, rate, limit in (
        ("of those whom it names {} % turn out wrong", error_rate.value, limits[0]),
        ("of those it should name it misses {} %", miss_rate.value, limits[1]),
    ):
        if rate > limit:
            raise Refusal(
                f"{words.format(f'{100 * rate:.0f}')}, allowed are {100 * limit:.0f} % "
                "(company.yml)"
            )
    if gain.lower is None or gain.lower <= 0:
        raise Refusal(
            f"no better than {BASELINES[question][0]} alone: AUC {area.value:.3f} "
            f"against {alone.value:.3f}, a difference of {gain.lower:+.3f} to "
            f"{gain.upper:+.3f}"
        )
    # `predict` learns from the day of judging, which has to tell something as well.
    fit(after.indicators, after.outcome, *limits)


def _asked(
    indicators: pa.Table, outcomes: pa.Table, question: str, role: str, leaks: set[str]
) -> Asked:
    """Those asked, without what leaks; raises Refusal where they are too few."""
    seen = asked(indicators, outcomes, question, role)
    if seen is None:
        raise Refusal("there are too few days to train on and then to judge on")
    came, of_all = int(seen.outcome.sum()), len(seen.outcome)
    if min(came, of_all - came) < MINIMUM_CUSTOMERS:
        raise Refusal(
            f"on the day of {'training' if role == 'train' else 'judging'} the outcome "
            f"came of {came} customers and not of {of_all - came}; "
            f"{MINIMUM_CUSTOMERS} of each are required"
        )
    return seen.without(leaks)
