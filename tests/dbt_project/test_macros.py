"""Macros that compute: what their SQL gives, against what other libraries say."""

import duckdb
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.dbt_project.rendered import for_engine


def test_bounds_of_a_share_are_those_of_wilson_and_lie_between_0_and_1() -> None:
    """Also to the last bit: what nobody did is not above a share of 0."""
    low, high = (
        for_engine(
            f"{{{{ wilson_bound('part / whole', 'whole', '{sign}') }}}}", "duckdb"
        )
        for sign in ("-", "+")
    )
    found = duckdb.sql(
        f"""
        select part, whole, {low} as low, {high} as high
        from (
            select cast(wholes.number as double) as whole
            from range(1, 1001) as wholes (number)
            union all select 1e6 union all select 2e9
        ) as wholes
        cross join lateral (
            select distinct unnest([0e0, 1e0, floor(whole / 2), whole - 1, whole])
        ) as parts (part)
        """
    ).df()
    nobody, everybody = found[found.part == 0], found[found.part == found.whole]

    assert (nobody.low == 0).all()
    assert (everybody.high == 1).all()
    assert found.low.ge(0).all()
    assert found.high.le(1).all()
    expected = pd.DataFrame(
        dict(
            zip(
                ("low", "high"),
                proportion_confint(found.part, found.whole, method="wilson"),
                strict=True,
            )
        )
    )
    pd.testing.assert_frame_equal(
        found[["low", "high"]], expected, rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("sign", ["-", "+"])
@pytest.mark.parametrize("row", ["null, 3e0", "0e0, null", "1e0, null"])
def test_bounds_of_what_is_not_known_are_not_known(sign: str, row: str) -> None:
    bound = for_engine(f"{{{{ wilson_bound('share', 'n', '{sign}') }}}}", "duckdb")
    assert duckdb.sql(
        f"select {bound} from (select {row}) as rows (share, n)"
    ).fetchone() == (None,)


def test_what_is_infinite_or_no_number_is_not_known() -> None:
    kept = for_engine("{{ finite('value') }}", "duckdb")
    values = "(1.5e0), (-1.7976931348623157e308), ('inf'), ('-inf'), ('nan'), (null)"
    found = duckdb.sql(f"select {kept} from (values {values}) as told (value)")
    assert found.fetchall() == [(1.5,), (-1.7976931348623157e308,), *[(None,)] * 4]
