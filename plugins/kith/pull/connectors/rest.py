"""Connector `rest`: web services that answer in JSON, page by page.

Every value comes as text, numbers digit by digit as the service wrote them, nested ones
as JSON. A request that fails for the moment is made again; pages that do not agree with
each other (the total changed, rows are missing) make the whole pull begin anew. Rows
without a cursor come only where the service gives them for the days asked for.
"""

import datetime as dt
import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pyarrow as pa
import requests
import simplejson
from dlt.common import jsonpath
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.requests.retry import DEFAULT_RETRY_EXCEPTIONS, Client
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import (
    APIKeyAuth,
    AuthConfigBase,
    BearerTokenAuth,
    HttpBasicAuth,
    OAuth2ClientCredentials,
)
from dlt.sources.helpers.rest_client.exceptions import IgnoreResponseException
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    PageNumberPaginator,
    RangePaginator,
    SinglePagePaginator,
)
from jsonpath_ng.exceptions import JSONPathError
from requests.adapters import HTTPAdapter

from kith.company.tables import Endpoint, Paging
from kith.database import fetch_row, parquet_sql, quote
from kith.deliveries.casts import declared_types
from kith.deliveries.columns import ROW_NUMBER, columns_by_name
from kith.errors import (
    ConfigurationError,
    CredentialsError,
    DeliveryError,
    SourceUnavailableError,
    TransientError,
)
from kith.pull.connections import Connection
from kith.pull.connectors.json_texts import KEYS, row_as_text, unfold
from kith.pull.connectors.landing import land, of_parquet, store_rejects
from kith.pull.connectors.request import Fetched, FetchRequest

# How often a request is made before the service counts as out of reach.
_ATTEMPTS = 5
# Wait before the second attempt, doubled for each further one, where the service does
# not say itself how long to wait (Retry-After).
_BACKOFF_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 300.0
# Without a sign of life.
_TIMEOUT_SECONDS = 60.0
# How often a pull is begun whose pages do not agree with each other.
_PULLS = 3
# Pages equal to earlier ones, above which a service turns in a circle.
_REPEATED_PAGES = 3
# Pages in a row without a row that may come where a service filters what it has, above
# which its way to the next page leads nowhere.
_EMPTY_PAGES = 100

_TRANSIENT_STATUS = (408, 425, 429, *range(500, 600))
_ROWS = pa.schema({"line": pa.string(), ROW_NUMBER: pa.int64()})


class _Unreadable(requests.ConnectionError):
    """An answer that cannot be right; its request is made again."""


class _Disagreement(Exception):
    """Pages that do not belong together."""


def fetch(request: FetchRequest) -> list[Fetched]:
    """Fetch the rows that the table's endpoint gives for the window.

    Raises SourceUnavailableError when the service stays out of reach, TransientError
    when its pages do not fit together, CredentialsError when it refuses the login,
    ConfigurationError when it refuses the request, and DeliveryError when its answers
    are not what is declared.
    """
    rules = request.table.rules
    endpoint = rules.endpoint
    if endpoint is None:  # company.py sees to it
        raise AssertionError
    known = request.find_connection(rules.connection or "")
    path_shown = _without_secrets(endpoint.path)
    where = f"{request.table.full_name}: connection '{known.id}': {path_shown}"
    service = _Service(request, endpoint, known, where)
    for attempt in range(_PULLS):
        if attempt:
            time.sleep(_BACKOFF_SECONDS)
        try:
            with _explained(where, service.host):
                path = land(
                    request.workspace / "rows.parquet", _ROWS, service.batches()
                )
            fetched = _unfolded(request, where, f"{known.id}/{path_shown}", path)
            service.check_complete(fetched)
        except _Disagreement as disagreement:
            reason = disagreement
        else:
            return [fetched]
    raise TransientError(
        f"{where}: {reason}, in {_PULLS} pulls one after the other; try again when the "
        "service is at rest"
    )


class _Service:
    """One endpoint of a service, asked for the window's rows as often as need be."""

    def __init__(
        self, request: FetchRequest, endpoint: Endpoint, known: Connection, where: str
    ) -> None:
        self._request = request
        self._endpoint = endpoint
        self._known = known
        self._where = where
        self._address = _address(known)
        self._parameters = _parameters(request, endpoint)
        try:
            self._rows = jsonpath.compile_path(endpoint.rows.removesuffix("[*]"))
            self._total = endpoint.paging.total and jsonpath.compile_path(
                endpoint.paging.total
            )
            _paginator(endpoint.paging)
        except JSONPathError as error:
            raise ConfigurationError(
                f"sources.yml: {request.table.full_name}: endpoint: not a JSONPath "
                f"such as $.data.items ({error})"
            ) from None
        self._reported: int | None = None
        self._distinct = 0
        self.host = urlsplit(self._address).hostname
        self._page: list[str] = []
        self._earlier: set[bytes] = set()
        self._doubted: set[str | None] = set()

    def batches(self) -> Iterator[pa.Table]:
        """The pages of one pull, each row as JSON whose values are text."""
        self._reported, self._distinct = None, 0
        self._earlier, self._doubted = set(), set()
        auth = _authentication(self._known)
        client = RESTClient(
            self._address,
            auth=auth,
            # Else dlt looks for settings in the environment, in files and in Airflow.
            config=RuntimeConfiguration(),
            session=_session(
                self._where, self._address, self._endpoint.requests_per_second
            ),
        )
        pages = client.paginate(
            self._endpoint.path,
            params=dict(self._parameters),
            paginator=_paginator(self._endpoint.paging),
            data_selector=self._rows,
            hooks={"response": [partial(self._read, client, auth)]},
        )
        asked: set[str | None] = set()
        seen = repeated = empty = 0
        for page in pages:
            url = _url_asked(page.response)
            if url in asked:
                raise DeliveryError(
                    f"{self._where}: the way to the next page turns in a circle after "
                    f"{len(asked)} pages; have the service mended"
                )
            asked.add(url)
            empty = 0 if self._page else empty + 1
            if empty > _EMPTY_PAGES:
                raise DeliveryError(
                    f"{self._where}: {empty} pages in a row hold no row, and each "
                    "leads to another; check endpoint.paging in sources.yml, or have "
                    "the service mended"
                )
            digest = _digest(self._page)
            if self._page and digest in self._earlier:
                if self._has_all():
                    return  # Some give their last page again for each further one.
                repeated += 1
                if repeated > _REPEATED_PAGES:
                    raise DeliveryError(
                        f"{self._where}: page {len(asked)} is equal to an earlier one, "
                        f"the {repeated}th such; the service repeats itself: check "
                        "endpoint.paging in sources.yml"
                    )
            else:
                self._distinct += len(self._page)
            self._earlier.add(digest)
            self._note_total(page.response.json())
            numbers = range(seen + 1, seen + len(self._page) + 1)
            seen += len(self._page)
            yield pa.table([self._page, list(numbers)], schema=_ROWS)

    def _read(
        self,
        client: RESTClient,
        auth: AuthConfigBase | None,
        response: requests.Response,
        **_: Any,
    ) -> None:
        """Read an answer while its request can still be made again.

        That is what an error of requests' own brings about.
        """
        if response.is_redirect:
            return
        if response.status_code == 401 and isinstance(auth, OAuth2ClientCredentials):
            # The token ended before its time.
            auth.obtain_token()
            auth(response.request)
            raise _Unreadable(response=response)
        if response.status_code in (204, 400, 404) and self._has_all():
            raise IgnoreResponseException  # There is no page after the last.
        response.raise_for_status()
        answer = self._parsed(response)
        # The paginators ask for it as well: read once, numbers exact.
        response.json = lambda **_: answer  # type: ignore[method-assign]
        if not self._rows.find(answer):
            found = ", ".join(sorted(answer)) if isinstance(answer, dict) else "a list"
            raise DeliveryError(
                f"{self._where}: nothing at {self._endpoint.rows} of the answer, which "
                f"holds {found[:200]}; check endpoint.rows in sources.yml"
            )
        columns = columns_by_name(self._request.table)
        self._page = [
            row.text() if isinstance(row, _Repeating) else row_as_text(row, columns)
            for row in client.extract_response(response, self._rows)
        ]
        url = _url_asked(response)
        is_counted = self._endpoint.paging.kind in ("page", "offset")
        if (
            is_counted
            and self._page
            and url not in self._doubted
            and _digest(self._page) in self._earlier
            and not self._has_all()
        ):
            # Another page by mistake? Only if it comes again it is believed.
            self._doubted.add(url)
            raise _Unreadable(response=response)

    def _parsed(self, response: requests.Response) -> Any:
        """The JSON of an answer, numbers exact.

        Raises _Unreadable where it broke off or is a page for people, as in a moment's
        failure, and DeliveryError where it is whole: it would come the same again.
        """
        if response.status_code == 204:
            raise DeliveryError(
                f"{self._where}: the service answers 204, no content; expected JSON "
                f"with rows at {self._endpoint.rows}: check `endpoint` in sources.yml"
            )
        declared = response.headers.get("Content-Type", "")
        encoding = response.encoding if "charset" in declared else None
        try:
            text = response.content.decode(encoding or "utf-8-sig")
            answer = simplejson.loads(text, use_decimal=True, object_pairs_hook=_object)
            if not isinstance(answer, _Repeating):
                return answer
            fault = "holds a key twice"
        except (ValueError, LookupError) as error:
            is_whole = response.content.rstrip().endswith((b"}", b"]"))
            if isinstance(error, simplejson.JSONDecodeError):
                is_whole = is_whole and error.pos < len(text)
                fault = f"is no JSON ({error})"
            else:
                fault = f"is no text in {encoding or 'UTF-8, and names no charset'}"
            if "json" not in declared or not is_whole:
                raise _Unreadable(response=response) from None
        raise DeliveryError(
            f"{self._where}: the answer {fault}; have the service mended"
        )

    def _has_all(self) -> bool:
        """Whether what was announced came: a page more is asked for all the same.

        A total that tells too little would cut off rows unseen.
        """
        counts = self._endpoint.paging.kind in ("page", "offset")
        return counts and self._distinct >= (self._reported or float("inf"))

    def _note_total(self, answer: Any) -> None:
        if not self._total:
            return
        found = [match.value for match in self._total.find(answer)]
        try:
            total = int(found[0])
        except (IndexError, TypeError, ValueError):
            raise DeliveryError(
                f"{self._where}: no number at {self._endpoint.paging.total} of the "
                "answer; check endpoint.paging.total in sources.yml"
            ) from None
        if self._reported not in (None, total):
            raise _Disagreement(
                f"the number of rows changed from {self._reported} to {total} between "
                "two pages"
            )
        self._reported = total

    def check_complete(self, fetched: Fetched) -> None:
        """Raise _Disagreement when fewer rows came than the service said it has."""
        if self._reported is None:
            return
        table = self._request.table
        keys = [
            table.column(name).names_in(fetched.columns) for name in table.rules.key
        ]
        distinct = "*"
        if keys and all(keys):
            distinct = ", ".join(f"coalesce({', '.join(map(quote, k))})" for k in keys)
        (rows,) = fetch_row(
            self._request.duckdb,
            f"""
            select count(*) from (
                select distinct {distinct} from (
                    select * exclude {ROW_NUMBER}, 1 as one
                    from {parquet_sql(fetched.path)}
                )
            )
            """,
        )
        if rows + fetched.reject_count < self._reported:
            raise _Disagreement(
                f"{rows} distinct rows came where {self._reported} were announced"
            )


def _address(known: Connection) -> str:
    if known.kind not in ("http", "https"):
        raise ConfigurationError(
            f"connection '{known.id}': found kind '{known.kind}'; expected http or "
            "https"
        )
    if known.extra.get("base_url"):
        return str(known.extra["base_url"])
    schema, host = known.schema or "", known.host or ""
    # Airflow's `schema` of such a connection is the protocol.
    protocol = schema if schema in ("http", "https") else known.kind
    path = "" if schema in ("http", "https") else schema
    if "://" not in host:
        host = f"{protocol}://{host}"
    port = f":{known.port}" if known.port else ""
    if not urlsplit(host).hostname:
        raise ConfigurationError(
            f"connection '{known.id}': it has no host, nor base_url among its extra"
        )
    return f"{host.rstrip('/')}{port}/{path}".rstrip("/")


def _authentication(known: Connection) -> AuthConfigBase | None:
    extra = known.extra
    if extra.get("token_url"):
        scope = {"scope": extra["scope"]} if extra.get("scope") else {}
        return OAuth2ClientCredentials(
            access_token_url=str(extra["token_url"]),
            client_id=known.login or "",
            client_secret=known.password or "",
            access_token_request_data=scope,
            session=_client().session,
        )
    if extra.get("api_key"):
        return APIKeyAuth(
            name=str(extra.get("api_key_header") or "X-API-Key"),
            api_key=str(extra["api_key"]),
        )
    if known.login:
        return HttpBasicAuth(known.login, known.password or "")
    token = extra.get("token") or known.password
    return BearerTokenAuth(token=str(token)) if token else None


def _parameters(request: FetchRequest, endpoint: Endpoint) -> dict[str, str]:
    parameters = dict(endpoint.parameters)
    if endpoint.paging.size_parameter:
        parameters[endpoint.paging.size_parameter] = str(endpoint.paging.size)
    cursor = request.table.rules.cursor
    if cursor is None:
        return parameters
    is_date = declared_types(request.table)[cursor] == "DATE"
    zone = "UTC" if is_date else request.time_zone  # Days are not converted.
    since, until = request.window.bounds_utc(zone)
    if endpoint.since_parameter:
        parameters[endpoint.since_parameter] = _written(request, endpoint, since)
    if endpoint.until_parameter:
        text = _written(request, endpoint, until)
        if (
            dt.datetime.strptime(text, endpoint.time_format).replace(tzinfo=None)
            < until
        ):
            # What the format leaves out must not cut the last hours off.
            text = _written(request, endpoint, until + dt.timedelta(days=1))
        parameters[endpoint.until_parameter] = text
    return parameters


def _written(request: FetchRequest, endpoint: Endpoint, moment: dt.datetime) -> str:
    text = moment.replace(tzinfo=dt.UTC).strftime(endpoint.time_format)
    try:
        dt.datetime.strptime(text, endpoint.time_format)
    except ValueError:
        raise ConfigurationError(
            f"sources.yml: {request.table.full_name}: endpoint.time_format: found "
            f"{endpoint.time_format!r}; expected codes of strftime that name a day, "
            "such as %Y-%m-%d"
        ) from None
    return text


class _ByOffset(RangePaginator):
    """Counts the rows that came: a service may give fewer than it is asked for."""

    def update_state(
        self, response: requests.Response, data: list[Any] | None = None
    ) -> None:
        self.value_step = len(data or [])
        super().update_state(response, data)


class _ByLink(JSONLinkPaginator):
    """Takes an empty link for none."""

    def update_state(
        self, response: requests.Response, data: list[Any] | None = None
    ) -> None:
        super().update_state(response, data)
        self._next_reference = self._next_reference or None


def _paginator(paging: Paging) -> BasePaginator:
    parameter = paging.parameter or paging.kind
    if paging.kind == "page":
        return PageNumberPaginator(
            base_page=paging.first_page, page_param=parameter, total_path=None
        )
    if paging.kind == "offset":
        return _ByOffset(parameter, initial_value=0, value_step=0)
    if paging.kind == "cursor":
        return JSONResponseCursorPaginator(paging.next or "", cursor_param=parameter)
    if paging.kind == "next_link":
        return _ByLink(paging.next) if paging.next else HeaderLinkPaginator()
    return SinglePagePaginator()


class _Adapter(HTTPAdapter):
    """Keeps the pace, and secrets and requests on the connection's own host."""

    def __init__(
        self, where: str, address: str, requests_per_second: float | None
    ) -> None:
        super().__init__()
        self._where = where
        self._address = urlsplit(address)
        self._pause = 1 / requests_per_second if requests_per_second else 0.0
        self._next_at = 0.0

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """As the parent does, but not too early and nowhere else."""
        target = urlsplit(str(request.url))
        same_host = target.hostname == self._address.hostname
        is_upgrade = (self._address.scheme, target.scheme) == ("http", "https")
        if not same_host or not (
            is_upgrade
            or (target.scheme, target.port)
            == (self._address.scheme, self._address.port)
        ):
            raise DeliveryError(
                f"{self._where}: the service leads to {_host_and_port(target)}, away "
                f"from its address {_host_and_port(self._address)}; if that is meant, "
                "give it a connection of its own"
            )
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        self._next_at = time.monotonic() + self._pause
        return super().send(request, *args, **kwargs)


def _client() -> Client:
    return Client(
        request_timeout=_TIMEOUT_SECONDS,
        raise_for_status=False,
        status_codes=_TRANSIENT_STATUS,
        exceptions=(
            *DEFAULT_RETRY_EXCEPTIONS,
            requests.exceptions.ContentDecodingError,
        ),
        request_max_attempts=_ATTEMPTS,
        request_backoff_factor=_BACKOFF_SECONDS,
        request_max_retry_delay=_LONGEST_WAIT_SECONDS,
    )


def _session(
    where: str, address: str, requests_per_second: float | None
) -> requests.Session:
    session = _client().session
    adapter = _Adapter(where, address, requests_per_second)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _host_and_port(address: SplitResult) -> str:
    # Before the host may stand login and password.
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"


def _without_secrets(path: str) -> str:
    """A path without its query, and without the login that a whole address may hold."""
    return re.sub("//[^/]*@", "//", path.split("?")[0])


def _url_asked(response: requests.Response) -> str | None:
    return (response.history or [response])[0].request.url


def _digest(rows: list[str]) -> bytes:
    return hashlib.sha256("\n".join(rows).encode()).digest()


class _Repeating(dict[str, Any]):
    """An object of JSON in which a key stands twice, with all of its pairs."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def text(self) -> str:
        """It as JSON, as it came."""
        texts = [
            f"{simplejson.dumps(name)}: {simplejson.dumps(value, use_decimal=True)}"
            for name, value in self._pairs
        ]
        return f"{{{', '.join(texts)}}}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeating(pairs)


def _unfolded(request: FetchRequest, where: str, origin: str, path: Path) -> Fetched:
    """A column for each name in the rows; see `unfold` for what is rejected."""
    connection = request.duckdb
    connection.execute(
        """
        create or replace temp table rejects
        (row_number bigint, error varchar, text varchar)
        """
    )
    lines = parquet_sql(path)
    shapes = connection.execute(f"select distinct {KEYS} from {lines}").fetchall()
    unfolded = request.workspace / "unfolded.parquet"
    unfold(request, where, [keys for (keys,) in shapes], lines, unfolded)
    rejected = store_rejects(connection, request.workspace / "rejects.parquet")
    return of_parquet(request, origin, unfolded, rejected, has_schema=False)


@contextmanager
def _explained(where: str, host: str | None) -> Iterator[None]:
    """Turn the failures of a service into ours; its answers are never quoted."""
    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in _TRANSIENT_STATUS:
            raise SourceUnavailableError(
                f"{where}: the service answered {status}, in {_ATTEMPTS} attempts; "
                "try again later"
            ) from None
        cure = {
            401: "check login, password or token of the connection",
            403: "check what the login of the connection may read",
            404: "check endpoint.path in sources.yml and the connection's address",
        }.get(status, "check `endpoint` in sources.yml")
        refused = CredentialsError if status in (401, 403) else ConfigurationError
        raise refused(
            f"{where}: the service refuses the request with {status}; {cure}"
        ) from None
    except _Unreadable as error:
        answer = error.response
        if answer is not None and answer.status_code == 401:
            raise CredentialsError(
                f"{where}: the service refuses each new token with 401; check login "
                "and password of the connection"
            ) from None
        if answer is not None and not answer.content.strip():
            raise DeliveryError(
                f"{where}: the answer is empty, in {_ATTEMPTS} attempts; expected "
                "JSON: check endpoint.path in sources.yml, or have the service mended"
            ) from None
        kind = answer.headers.get("Content-Type", "") if answer is not None else ""
        if "json" in kind:
            raise SourceUnavailableError(
                f"{where}: the answer broke off, in {_ATTEMPTS} attempts; try again "
                "later"
            ) from None
        raise DeliveryError(
            f"{where}: the answer is {kind or 'of no declared type'}; expected JSON: "
            "check endpoint.path in sources.yml and the connection's address"
        ) from None
    except requests.exceptions.SSLError:
        raise ConfigurationError(
            f"{where}: the service's certificate is not trusted; check host and "
            "certificates (REQUESTS_CA_BUNDLE)"
        ) from None
    except (
        *DEFAULT_RETRY_EXCEPTIONS,
        requests.exceptions.ContentDecodingError,
    ) as error:
        raise SourceUnavailableError(
            f"{where}: no whole answer from {host or 'the service'} in "
            f"{_ATTEMPTS} attempts ({type(error).__name__}); try again later, or look "
            "after the service"
        ) from None
    except requests.RequestException as error:
        raise ConfigurationError(
            f"{where}: no such request can be made ({type(error).__name__}); check the "
            "connection's address and `endpoint` in sources.yml"
        ) from None
