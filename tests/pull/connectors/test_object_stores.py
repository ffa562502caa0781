"""Object stores, against a moto server: a process that speaks S3 on loopback."""

import gzip
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest

from kith.deliveries.raw import newest_attempt
from kith.errors import ConfigurationError, DeliveryError, TransientError
from kith.pull.connectors import object_stores
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import HEADER, TABLE, admitted, company, report, run_door, sales

pytestmark = pytest.mark.usefixtures("kith_home")

CONTENT = ("\n".join([HEADER, *sales(40)]) + "\n").encode()
REGION = "eu-west-3"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Address of an S3 server that knows one login, and refuses others."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        # It lets in whoever asks until the login is made, in three requests.
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, "the server ended"
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def login(endpoint: str) -> dict[str, str]:
    """The only login that may read the bucket `shop`."""
    iam = _client("iam", endpoint, "any", "any")
    iam.create_user(UserName="kith")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    iam.put_user_policy(
        UserName="kith", PolicyName="read", PolicyDocument=json.dumps(policy)
    )
    made = iam.create_access_key(UserName="kith")["AccessKey"]
    return {"login": made["AccessKeyId"], "password": made["SecretAccessKey"]}


def _client(service: str, endpoint: str, login: str, password: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=login,
        aws_secret_access_key=password,
    )


@pytest.fixture
def bucket(
    endpoint: str, login: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """An empty bucket `shop`, reached by the connection `shop_files`."""
    connect(monkeypatch, endpoint, **login)
    made = boto3.resource(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=login["login"],
        aws_secret_access_key=login["password"],
    ).Bucket("shop")
    made.create(CreateBucketConfiguration={"LocationConstraint": REGION})
    yield made
    made.objects.delete()
    made.delete()


def connect(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, login: str, password: str
) -> None:
    connection = {
        "conn_type": "aws",
        "login": login,
        "password": password,
        "extra": {"endpoint_url": endpoint, "region_name": REGION},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_FILES", json.dumps(connection))


def store(folder: Path, path: str, **meta: Any) -> Path:
    return company(folder, path, **{"connection": "shop_files", **meta})


def pulled(
    folder: Path, from_day: str = "2024-03-01", to_day: str = "2024-12-31"
) -> Run:
    run = new_run(folder, from_day, to_day)
    pull_table(run, TABLE)
    return run


def test_objects_admit_what_files_do(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Key="in/a/sales_1.csv", Body=CONTENT)
    bucket.put_object(Key="in/b/sales_2.csv.gz", Body=gzip.compress(CONTENT))
    bucket.put_object(Key="in/b/notes.txt", Body=b"not asked for")
    bucket.put_object(Key="in/c/sales_folder/notes.txt", Body=b"nor this")
    store(tmp_path, "s3://shop/in/*/sales_*", key=["sale_id", "sold_at"])
    run = run_door(tmp_path)
    assert report(run)["files"] == [
        *("s3://shop/in/a/sales_1.csv", "s3://shop/in/b/sales_2.csv.gz")
    ]
    assert (report(run)["admitted"], report(run)["duplicates"]) == (40, 40)
    assert len(admitted(run)) == 40


def test_a_variable_and_the_date_choose_objects(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(1, 6):
        bucket.put_object(
            Key=f"in/2024/03/sales_{day:02}.csv.gz", Body=gzip.compress(CONTENT)
        )
    monkeypatch.setenv("SHOP_BUCKET", "s3://shop")
    store(tmp_path, "${SHOP_BUCKET}/in/{date:%Y/%m}/sales_{date:%d}.csv.gz")
    run = pulled(tmp_path, "2024-03-02", "2024-03-03")
    _, manifest = newest_attempt(run, TABLE)
    assert [file.origin for file in manifest.files] == [
        f"s3://shop/in/2024/03/sales_{day:02}.csv.gz"
        for day in (1, 2, 3)  # The day before may have been cut at another midnight.
    ]


def test_parquet_keeps_its_bytes_and_a_large_object_its_rows(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_stores, "_BLOCK_BYTES", 1 << 20)
    path = tmp_path / "sales.parquet"
    duckdb.sql(
        f"""
        copy (
            select n::varchar as sale_id, timestamp '2024-03-01' as sold_at,
                n as quantity, hash(n)::decimal(20, 0)::varchar as price
            from range(100_000) as numbers (n)
        ) to '{path}' (compression uncompressed)
        """
    )
    assert path.stat().st_size > 2 * object_stores._BLOCK_BYTES  # several requests
    bucket.upload_file(str(path), "sales.parquet")
    run = pulled(store(tmp_path, "s3://shop/sales.parquet"))
    folder, manifest = newest_attempt(run, TABLE)
    (file,) = manifest.files
    assert (folder / file.stored).read_bytes() == path.read_bytes()
    assert file.rows == 100_000


def test_row_numbers_of_an_object_are_those_of_its_rows(
    bucket: Any, tmp_path: Path
) -> None:
    path = tmp_path / "sales.parquet"
    (tmp_path / "sales.csv").write_bytes(CONTENT)
    duckdb.sql(f"copy (from '{tmp_path}/sales.csv') to '{path}'")
    bucket.upload_file(str(path), "sales.parquet")
    run = pulled(store(tmp_path, "s3://shop/*.parquet"), "2024-03-02", "2024-03-02")
    folder, manifest = newest_attempt(run, TABLE)
    rows = duckdb.sql(f"select _kith_row from '{folder / manifest.files[0].stored}'")
    assert rows.fetchall() == [(5,), (6,), (7,), (8,)]


@pytest.mark.parametrize("wrong", ["login", "password"])
def test_a_wrong_login_is_named_without_its_secret(
    wrong: str,
    bucket: Any,
    endpoint: str,
    login: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket.put_object(Key="sales.csv", Body=CONTENT)
    other = "NOTTHEPASSWORDOFANYBODYATALL0123456789AB"
    connect(monkeypatch, endpoint, **{**login, wrong: other})
    store(tmp_path, "s3://shop/*.csv")
    with pytest.raises(
        ConfigurationError,
        match=r"shop.sales: s3://shop/\*.csv: access denied with connection 'shop",
    ) as raised:
        pulled(tmp_path)
    shown = f"{raised.value} {raised.value.__cause__}"
    assert other not in shown
    assert login["password"] not in shown


def test_without_a_connection_the_environment_tells_the_login(
    bucket: Any,
    endpoint: str,
    login: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket.put_object(Key="sales.csv", Body=CONTENT)
    store(tmp_path, "s3://shop/sales.csv", connection=None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    nowhere = {
        **{"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"},
        **{"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": endpoint},
        "AWS_DEFAULT_REGION": REGION,
    }
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ConfigurationError, match=r"access denied with the machine's ow"
    ):
        pulled(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", login["login"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", login["password"])
    assert newest_attempt(pulled(tmp_path), TABLE)[1].rows_taken == 40


def test_no_object_and_no_bucket_are_told_apart(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Key="other.csv", Body=CONTENT)
    for path in ("s3://shop/sales*.csv", "s3://shop/in/sales.csv"):
        with pytest.raises(
            DeliveryError, match=r"no file at s3://shop/.*; the delivery"
        ):
            pulled(store(tmp_path, path))
    for path in ("s3://shob/sales*.csv", "s3://shob/sales.csv"):
        with pytest.raises(
            ConfigurationError, match=r"s3://shob/.*: .* no such bucket"
        ):
            pulled(store(tmp_path, path))


def test_an_unknown_kind_of_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"shop.sales: ftq://: .*; expected an a"
    ):
        pulled(store(tmp_path, "ftq://shop/sales.csv", connection=None))


def test_a_store_out_of_reach_is_worth_a_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        connect(monkeypatch, address, "kith", "secret")
        with pytest.raises(TransientError, match="cannot be reached with connection"):
            pulled(store(tmp_path, "s3://shop/*.csv"))


@pytest.fixture
def before_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let something happen between the listing of the objects and their reading."""

    def happen(change: Callable[[], object]) -> None:
        bring = object_stores._bring

        def changed(*arguments: Any) -> Path:
            change()
            return bring(*arguments)

        monkeypatch.setattr(object_stores, "_bring", changed)

    return happen


def test_an_object_that_vanishes_is_worth_a_retry(
    bucket: Any, tmp_path: Path, before_reading: Callable[..., None]
) -> None:
    bucket.put_object(Key="sales.csv", Body=CONTENT)
    before_reading(lambda: bucket.Object("sales.csv").delete())
    run = new_run(store(tmp_path, "s3://shop/*.csv"))
    with pytest.raises(
        TransientError, match=r"shop/sales.csv: was listed, but is gone"
    ):
        pull_table(run, TABLE)
    assert not list(run.raw(TABLE).glob("*/*"))


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) // 2])
def test_an_object_that_is_replaced_is_worth_a_retry(
    size: int, bucket: Any, tmp_path: Path, before_reading: Callable[..., None]
) -> None:
    bucket.put_object(Key="sales.csv", Body=CONTENT)
    other = CONTENT.replace(b"S00001", b"S99999")[:size]
    before_reading(lambda: bucket.put_object(Key="sales.csv", Body=other))
    with pytest.raises(
        TransientError, match="the object was replaced while it was rea"
    ):
        pulled(store(tmp_path, "s3://shop/*.csv"))
