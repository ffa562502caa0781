"""What the values of a column say: types, and identifiers of people."""

import datetime as dt
import random
from pathlib import Path

import duckdb

from kith.onboard.scaffold import summary
from tests.onboard.strangers import (
    Make,
    admitted,
    doubts,
    kinds,
    rules,
    table,
    write,
)


def test_types_are_those_with_which_all_rows_can_be_read(
    files: Path, make: Make
) -> None:
    draw = random.Random(5)
    header = (
        "number,code,zip,amount,euros,thousands,grams,day,german,american,either,moment,"
        "text,active,mixed,nothing,level,batch"
    )
    lines = []
    for n in range(400):
        day = dt.date(2024, 1, 1) + dt.timedelta(n % 300)
        late = "?" if n == 399 else str(n)
        fields = [
            str(n - 7),
            f"{n:06}",
            f"{n + 1000:05}",
            f"{n}.5",
            f'"{n},25"',
            f'"{n + 1000:,}.5"',
            f"{n / 7:.12f}",
            day.isoformat(),
            f"{day:%d.%m.%Y}",
            f"{day:%m/%d/%Y}",
            f"{n % 12 + 1:02}/{n % 11 + 1:02}/2024",
            f"{day}T10:00:00",
            draw.choice(["Anna saw it", "x", "so so"]) + str(n),
            draw.choice(["yes", "no"]),
            late,
            "",
            draw.choice(["gold", "silver"]),
            f"{n:05}",
        ]
        lines.append(",".join(fields))
    write(files / "things.csv", header, lines)
    done = make()
    assert kinds(done, "things") == {
        "number": "varchar",
        "code": "varchar",
        "zip": "varchar",
        "amount": "decimal(18,2)",
        "euros": "decimal(18,2)",
        "thousands": "decimal(18,2)",
        "grams": "double",
        "day": "date",
        "german": "date",
        "american": "date",
        "either": "date",
        "moment": "timestamp",
        "text": "varchar",
        "active": "boolean",
        "mixed": "bigint",
        "nothing": "varchar",
        "level": "varchar",
        "batch": "varchar",
    }
    assert rules(done, "things", "german") == {"format": "%d.%m.%Y"}
    assert rules(done, "things", "american") == {"format": "%m/%d/%Y"}
    assert rules(done, "things", "euros") == {"decimal": ","}
    assert rules(done, "things", "thousands") == {"decimal": "."}
    assert rules(done, "things", "mixed") == {"null_values": ["?"]}
    assert rules(done, "things", "level") == {"accepted_values": ["gold", "silver"]}
    assert doubts(done, "month and day exchanged")
    assert doubts(done, "no offset, read as UTC")
    assert doubts(done, "holds no value at all")
    assert doubts(done, "leading zeros")
    assert "first_day: 2024-01-01" in (done.folder / "company.yml").read_text()
    assert admitted(done) == {"things": (400, 0)}


def test_the_last_row_counts_as_much_as_the_first(files: Path, make: Make) -> None:
    write(
        files / "long.csv",
        "row_no,weight,spread",
        [f"{n},{n},{n}" for n in range(5000)] + ["5000,heavy,7"] + ["5001,1,1"] * 0,
    )
    done = make()
    assert kinds(done, "long") == {
        "row_no": "varchar",
        "weight": "bigint",
        "spread": "bigint",
    }
    assert doubts(done, "1 of 5001 values are no bigint and go to quarantine")
    assert admitted(done) == {"long": (5000, 1)}

    write(
        files / "long.csv",
        "row_no,weight",
        [f"{n},{n}" for n in range(900)] + [f"{n},heavy {n}" for n in range(900, 950)],
    )
    again = make("again")
    assert kinds(again, "long")["weight"] == "varchar"
    assert doubts(again, "900 of 950 values are bigint, the others are not")


def test_nothing_of_a_late_value_is_lost(files: Path, make: Make) -> None:
    rows = [f"R{n},{n}.5,{n + 1},{n}.5,{n}" for n in range(3000)]
    rows[2990] = "R2990,0.0625,007,2.123456789012,12345678901234567890"
    write(files / "late.csv", "row_no,weight,batch,price,serial", rows)
    write(
        files / "either.csv",
        "row_no,distance,paid,share,seen",
        [
            f"R{n},{n % 9 + 1}.{n + 100},{n},{n % 100}%,"
            f"{'2024-01-02' if n % 2 else '02.01.2024'}"
            for n in range(300)
        ],
    )
    done = make()
    assert kinds(done, "late") == {
        "row_no": "varchar",
        "weight": "decimal(18,4)",
        "batch": "varchar",
        "price": "double",
        "serial": "varchar",
    }
    assert kinds(done, "either") == {
        "row_no": "varchar",
        "distance": "decimal(18,3)",
        "paid": "bigint",
        "share": "varchar",
        "seen": "varchar",
    }
    assert doubts(done, "all values allow the reverse")
    assert doubts(done, "numbers with a sign") and doubts(
        done, "days written in several"
    )
    assert admitted(done) == {"either": (300, 0), "late": (3000, 0)}


def test_days_whose_order_a_neighbour_settles_are_doubted_still(
    files: Path, make: Make
) -> None:
    write(
        files / "visits.csv",
        "visit_no,came,left",
        [
            f"{n},0{n % 9 + 1}/{13 + n % 9}/2024,0{n % 9 + 1}/0{n % 7 + 1}/2024"
            for n in range(99)
        ],
    )
    done = make()
    assert rules(done, "visits", "came") == {"format": "%m/%d/%Y"}
    assert rules(done, "visits", "left") == {"format": "%m/%d/%Y"}
    assert doubts(done, "month and day exchanged")


def test_people_are_declared_and_never_quoted(files: Path, make: Make) -> None:
    header = (
        "CustomerID,E-Mail,Mobile,Loyalty Card,device_id,Twitter,First Name,Contact,"
        "card_type,City"
    )
    people = [
        f"C{n},anna{n}@example.org,138 0013 {n:04},9000-{n:04}-{n},aa-{n:05},@anna{n},"
        f"Anna{n % 4},ben{n}@example.net,{'debit' if n % 3 else 'credit'},Berlin"
        for n in range(400)
    ]
    write(files / "customers.csv", header, people)
    done = make()
    found = table(done, "customers")["columns"]
    declared = {
        name: column.get("config", {}).get("meta", {}).get("pii")
        for name, column in found.items()
    }
    assert declared == {
        "customerid": None,
        "e_mail": "email",
        "mobile": "phone",
        "loyalty_card": "card",
        "device_id": "device",
        "twitter": "handle",
        "first_name": None,
        "contact": "email",
        "card_type": None,
        "city": None,
    }
    assert rules(done, "customers", "mobile")["phone_region"] == "CN"
    text = "".join(path.read_text() for path in done.folder.rglob("*.*"))
    for secret in ("example.", "@anna", "Anna1", "0013", "aa-0"):
        assert secret not in text + summary(done)
    assert "KITH_IDENTIFIER_KEY" in summary(done)
    assert admitted(done) == {"customers": (400, 0)}


def test_offsets_are_read_or_doubted(files: Path, make: Make) -> None:
    write(
        files / "calls.csv",
        "call_no,called_at,ended_at,hours",
        [
            f"{n},2024-02-{n % 28 + 1:02} 23:59:59 -0500,"
            f"{n % 28 + 1:02} Feb 2024 10:00:00 UTC+2,10:00-12:00"
            for n in range(60)
        ],
    )
    done = make()
    assert kinds(done, "calls")["called_at"] == "timestamp"
    assert kinds(done, "calls")["ended_at"] == "varchar"
    assert doubts(done, "(numbers) seems to hold times with an offset")
    assert len(doubts(done, "with an offset")) == 1
    assert admitted(done) == {"calls": (60, 0)}


def test_a_number_that_went_through_a_float_is_whole(files: Path, make: Make) -> None:
    write(
        files / "visits.csv",
        "visit_no,customer_no,weight",
        [f"v{n},{n % 30}{'.0' if n % 2 else ''},{n}.0" for n in range(60)],
    )
    done = make()
    assert rules(done, "visits", "customer_no") == {"whole_numbers": True}
    assert doubts(done, "read as a whole one")


def test_instants_that_are_counted_are_times(files: Path, make: Make) -> None:
    seconds = [1_700_000_000 + 3600 * n for n in range(60)]
    write(
        files / "clicks.csv",
        "click_id,clicked_at,seen_at,row_count",
        [f"c{n},{at},{at}000,{at}" for n, at in enumerate(seconds)],
    )
    duckdb.sql(
        "select 'v' || n as visit_id, 1700000000000000 + n * 1000000 as visited_at "
        "from range(60) as rows (n)"
    ).write_parquet(str(files / "visits.parquet"))
    done = make()
    assert rules(done, "clicks", "clicked_at") == {"format": "epoch_s"}
    assert rules(done, "clicks", "seen_at") == {"format": "epoch_ms"}
    assert kinds(done, "clicks")["row_count"] == "bigint"
    assert rules(done, "visits", "visited_at") == {"format": "epoch_us"}
    assert table(done, "visits")["meta"]["cursor"] == "visited_at"
    assert admitted(done) == {"clicks": (60, 0), "visits": (60, 0)}


def test_a_word_among_numbers_of_persons_is_nobody_or_doubted(
    files: Path, make: Make
) -> None:
    words = ("NA", "(not set)", "walk-in")
    write(
        files / "orders.csv",
        "order_no,customer_no,client_no,member_no,grade_code,order_date,order_amount",
        [
            f"o{n},"
            + ",".join(word if n % 9 == 0 else f"{n % 90:04}" for word in words)
            + f",{'NA' if n % 9 == 0 else 'AB'},2024-01-{n % 28 + 1:02},{n}.50"
            for n in range(400)
        ],
    )
    done = make()
    assert [
        rules(done, "orders", name).get("null_values")
        for name in ("customer_no", "client_no", "member_no", "grade_code")
    ] == [["NA"], ["(not set)"], None, None]
    assert doubts(done, "'NA' in 45 of 400 values, taken for no value")
    (told,) = doubts(done, "45 of 400 values are one word")
    assert "walk-in" not in told
    assert admitted(done) == {"orders": (400, 0)}


def test_a_column_of_people_with_odd_values_is_what_most_of_them_are(
    files: Path, make: Make
) -> None:
    odd = {
        "email": ["", "no email", "anna@", "anna @example.org", "N/A", "ask mother"],
        "phone": ["ask mother", "0171", "n/a", "later"],
        "card_no": ["lost", "applied for", "Anna's", "lost"],
        "birth_date": ["1980", "unknown year", "00.00.0000", "31.02.1980"],
    }

    def value(name: str, n: int, usual: str) -> str:
        return odd[name][n // 8 % len(odd[name])] if n % 8 == 0 else usual

    write(
        files / "customers.csv",
        f"customer_id,{','.join(odd)},town",
        [
            f"c{n},{value('email', n, f'p{n}@example.org')},"
            f"{value('phone', n, f'0171 {2_000_000 + n // 2}')},"
            f"{value('card_no', n, f'{900_000 + n}')},"
            f"{value('birth_date', n, f'{n % 28 + 1:02}.01.{1960 + n % 40}')},Bonn"
            for n in range(240)
        ],
    )
    done = make()
    dropping = {"unreadable": "drop_value"}
    assert rules(done, "customers", "email") == {"pii": "email", **dropping}
    phone = rules(done, "customers", "phone")
    assert phone == {"pii": "phone", "phone_region": "IN", **dropping}
    assert rules(done, "customers", "card_no") == {"pii": "card"}
    assert kinds(done, "customers")["birth_date"] == "date"
    assert rules(done, "customers", "birth_date") == {"format": "%d.%m.%Y", **dropping}
    for told in (
        "20 of 235 values of email are no e-mail addresses",
        "23 of 240 values of phone are no telephone numbers",
        "30 of 240 values of card_no are words",
        "30 of 240 values of birth_date are no days",
    ):
        (doubt,) = doubts(done, f"(customers) {told}")
        assert "mother" not in doubt and "lost" not in doubt and "Anna" not in doubt
    assert admitted(done) == {"customers": (240, 0)}


def test_amounts_in_two_spellings_are_told_first_and_read_where_there_is_one_way(
    files: Path, make: Make
) -> None:
    def amount(n: int, thousands: str = "") -> str:
        return f"{thousands}{n + 100}{',' if n % 3 else '.'}1{n % 9}"

    write(
        files / "orders.csv",
        "order_no;customer_no;order_date;betrag;wert;kurs",
        [
            f"o{n};c{n % 40:03};2024-01-{n % 28 + 1:02};{amount(n)};"
            f"{amount(n, '1.' if n % 3 else '1,')};{100 + n},5"
            for n in range(300)
        ],
    )
    done = make()
    assert kinds(done, "orders")["betrag"] == kinds(done, "orders")["wert"] == "varchar"
    assert kinds(done, "orders")["kurs"] == "decimal(18,2)"
    (doubt,) = doubts(done, "(numbers) 200 values of betrag have a comma before their ")
    assert "and 100 a point: declared as text, and read as numbers by staging" in doubt
    (doubt,) = doubts(done, "(numbers) 200 values of wert have a comma before their ")
    assert "nothing is made of them" in doubt
    (staging,) = done.stagings
    assert staging.select["order_amount"] == (
        "cast(replace(betrag, ',', '.') as decimal(18, 2))"
    )


def test_amounts_and_days_among_notes_are_told_with_their_number(
    files: Path, make: Make
) -> None:
    write(
        files / "orders.csv",
        "order_no,customer_no,order_date,total",
        [
            f"o{n},c{n % 40:03},{'open' if n % 6 == 0 else f'2024-01-{n % 28 + 1:02}'},"
            f"{'free' if n % 6 == 1 else f'{n}.50'}"
            for n in range(300)
        ],
    )
    done = make()
    assert kinds(done, "orders")["total"] == kinds(done, "orders")["order_date"]
    assert doubts(done, "(numbers) 250 of 300 values are double, the others are not")
    assert doubts(done, "(numbers) 250 of 300 values are date, the others are not")


def test_amounts_padded_with_noughts_are_amounts(files: Path, make: Make) -> None:
    write(
        files / "sales.csv",
        "sale_no,buyer_mail,sold_on,amount,tax_total,Rechnungsbetrag,branch,serial",
        [
            f"s{n},p{n % 30}@example.org,2024-01-{n % 28 + 1:02},{n:07}.{n % 90 + 10},"
            f"{n:010},{n:09}.5,{n:05},{n:08}.{n % 90 + 10}"
            for n in range(120)
        ],
    )
    done = make()
    found = kinds(done, "sales")
    assert found["amount"] == found["rechnungsbetrag"] == "decimal(18,2)"
    assert found["tax_total"] == "bigint"
    assert found["branch"] == found["serial"] == "varchar"
    assert rules(done, "sales", "serial") == {}
    (doubt,) = doubts(done, "padded with noughts and no decimals: read as whole")
    assert "(numbers)" not in doubt  # Nothing is made of it.
    assert admitted(done) == {"sales": (120, 0)}
