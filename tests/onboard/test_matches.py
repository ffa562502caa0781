"""Which columns mean what a feed wants, by their names."""

import datetime as dt
from pathlib import Path

from kith.company.folder import load_company
from tests.onboard.strangers import Make, doubts, rules, write


def test_names_in_one_word_and_in_german_are_understood(
    files: Path, make: Make
) -> None:
    write(
        files / "kunden.csv",
        "Kundennummer;PLZ;Geburtsdatum",
        [f"{n:05};{n:05};0{n % 9 + 1}.02.1970" for n in range(100)],
    )
    write(
        files / "Umsätze.csv",
        "Belegnummer;Kundennummer;Datum;Menge;Betrag",
        [f"{n:06};{n % 100:05};{n % 28 + 1}.01.2024;1;1.{n:03},50" for n in range(300)],
    )
    write(files / "stores.csv", "storeid,zip", [f"{n},{n:05}" for n in range(40)])
    write(files / "tickets.csv", "ticket,state", [f"{n},open" for n in range(40)])
    done = make()
    assert {each.name: each.key for each in done.tables} == {
        "kunden": ["kundennummer"],
        "stores": ["storeid"],
        "tickets": ["ticket"],
        "umsatze": ["belegnummer"],
    }
    assert doubts(done, "key ticket: unique in these 40 rows, but is it by meaning?")
    company = load_company(done.folder)
    assert sorted(company.feeds) == ["customers", "orders", "places"]
    sql = (done.folder / "staging" / "stg_shop__orders.sql").read_text()
    assert "betrag as order_amount" in sql
    assert company.first_day == dt.date(2024, 1, 1)
    assert rules(done, "umsatze", "betrag")["decimal"] == ","
