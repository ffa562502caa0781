"""A notebook over a release, for marimo; docs/superset.md says how it is started."""

import marimo

app = marimo.App(width="medium", app_title="A release of Kith")


@app.cell
def _():
    from pathlib import Path

    import altair as alt
    import duckdb
    import marimo as mo

    published = Path(mo.cli_args().get("published") or ".kith/demo/published")
    return alt, duckdb, mo, published


@app.cell
def _(duckdb, published):
    def ask(query):
        """Rows of one release as dictionaries, with which release it is.

        The pointer is resolved once, so that a query over several files is of one
        release; nothing is held open, so that the next one may be of the next release.
        In a query {parquet} stands for the folder of the marts' Parquet files; one of
        more rows than `largest_table_rows` is a folder there, of `*.parquet`.
        """
        release = (published / "current").resolve()
        place = {"parquet": release / "parquet"}
        with duckdb.connect(release / "kith.duckdb", read_only=True) as connection:
            stamp = "select release_id, data_as_of, published_at from _release"
            name, as_of, at = connection.execute(stamp).fetchone()
            found = connection.execute(query.format(**place))
            names = [column[0] for column in found.description]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        said = f"release {name}, data as of {as_of}, published {at:%Y-%m-%d %H:%M} UTC"
        print(said)
        return rows, said

    return (ask,)


@app.cell
def _(alt, ask, mo):
    _rows, _said = ask("""
        select
            cast(order_month as varchar) as month,
            channel,
            cast(sum(revenue_amount) as double) as revenue
        from customer.orders
        group by order_month, channel
        having count(distinct customer_id) >= 5
        order by order_month, channel
    """)
    _chart = (
        alt.Chart(alt.Data(values=_rows), title="Revenue by month and channel")
        .mark_bar()
        .encode(x="month:T", y="sum(revenue):Q", color="channel:N")
        .properties(width=700)
    )
    mo.vstack([_chart, mo.md(f"*{_said}*")])
    return


@app.cell
def _(ask, mo):
    # Two Parquet marts are two files: only within one folder they are of one release.
    _rows, _said = ask("""
        select
            values.segment as tier,
            count(*) as customers,
            cast(sum(bought.revenue_amount) as double) as revenue
        from '{parquet}/segment/segment_memberships.parquet' as values
        inner join '{parquet}/customer/customer_values.parquet' as bought
            on values.customer_id = bought.customer_id
        where values.scheme = 'tier' and values.is_current
        group by values.segment
        having count(*) >= 5
        order by revenue desc
    """)
    mo.vstack([mo.ui.table(_rows, selection=None), mo.md(f"*{_said}*")])
    return


if __name__ == "__main__":
    app.run()
