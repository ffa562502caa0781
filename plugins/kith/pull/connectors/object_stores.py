"""Object stores, as fsspec knows them: `s3://bucket/…` and its like.

How to get in is told by the table's `connection`, else by what the machine offers
(environment, profile, role of the instance). A file is streamed to this machine before
it is read, and must be the very one that was listed.
"""

import errno
import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]

from kith.errors import (
    ConfigurationError,
    CredentialsError,
    SourceUnavailableError,
    TransientError,
)
from kith.failures import lack_of
from kith.pull.connections import Connection
from kith.pull.connectors.request import FetchRequest

_BLOCK_BYTES = 16 << 20
# What tells one state of an object from the next, where a store keeps it.
_STAMPS = ("size", "ETag", "etag", "md5Hash", "mtime")
_REFUSED = {errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENAMETOOLONG}


def list_store(request: FetchRequest, pattern: str) -> dict[str, Callable[[], Path]]:
    """The objects that match, each with what streams it to this machine.

    Raises CredentialsError when the store refuses us, ConfigurationError when it knows
    no such bucket, and SourceUnavailableError when it cannot be reached.
    """
    protocol = pattern.partition("://")[0]
    connection_id = request.table.rules.connection
    where = f"{request.table.full_name}: {protocol}://"
    known = request.find_connection(connection_id) if connection_id else None
    store = _open(where, protocol, known)
    stripped = str(store._strip_protocol(pattern))
    where = f"{request.table.full_name}: {pattern}"
    with _explained(where, known, is_listed=False):
        found = store.glob(stripped, detail=True)
        if not found:
            # Of a bucket that is not there a store may say no more than "no object".
            store.ls(stripped.partition("/")[0], detail=False)
    return {
        path if "://" in path else f"{protocol}://{path}": functools.partial(
            _bring,
            request,
            store,
            known,
            path,
            info,
            request.workspace / f"{number:04}.{Path(path).name}",
        )
        for number, (path, info) in enumerate(found.items(), 1)
        if info["type"] == "file"
    }


def _open(
    where: str, protocol: str, known: Connection | None
) -> fsspec.AbstractFileSystem:
    options: dict[str, Any] = {}
    if known and protocol in ("s3", "s3a"):
        options = {
            "key": known.login,
            "secret": known.password,
            "token": known.extra.get("aws_session_token"),
            "endpoint_url": known.extra.get("endpoint_url"),
            "client_kwargs": {"region_name": known.extra.get("region_name")},
        }
    elif known:
        options = dict(known.extra)
    try:
        return fsspec.filesystem(
            # Neither a listing nor a login of an earlier pull.
            protocol,
            skip_instance_cache=True,
            use_listings_cache=False,
            **options,
        )
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"{where}: {' '.join(str(error).split())}; expected an address that fsspec "
            "knows, such as s3://bucket/name"
        ) from None


def _bring(
    request: FetchRequest,
    store: fsspec.AbstractFileSystem,
    known: Connection | None,
    path: str,
    info: dict[str, Any],
    target: Path,
) -> Path:
    where = f"{request.table.full_name}: {path}"
    with _explained(where, known, is_listed=True):
        with (
            store.open(path, "rb", block_size=_BLOCK_BYTES) as remote,
            target.open("wb") as local,
        ):
            shutil.copyfileobj(remote, local, _BLOCK_BYTES)
        now = store.info(path)
    stamps = [name for name in _STAMPS if name in info and name in now]
    is_same = all(info[name] == now[name] for name in stamps)
    if not is_same or target.stat().st_size != info["size"]:
        raise TransientError(
            f"{where}: the object was replaced while it was read; pull again when its "
            "delivery is over"
        )
    return target


@contextmanager
def _explained(
    where: str, known: Connection | None, *, is_listed: bool
) -> Iterator[None]:
    """Turn what a store's client raises into our errors, without what it knows."""
    from aiohttp import ClientError
    from botocore.exceptions import (  # type: ignore[import-untyped]
        BotoCoreError,
        NoCredentialsError,
    )

    way_in = (
        f"connection '{known.id}'" if known else "the machine's own login to the store"
    )
    try:
        yield
    except (PermissionError, NoCredentialsError):
        raise CredentialsError(
            f"{where}: access denied with {way_in}; correct login, password or rights"
            + ("" if known else ", or name a `connection` in sources.yml")
        ) from None
    except FileNotFoundError:
        if is_listed:
            raise TransientError(
                f"{where}: was listed, but is gone; pull again when its delivery "
                "is over"
            ) from None
        raise ConfigurationError(
            f"{where}: the store knows no such bucket; correct `path` in sources.yml "
            f"or the endpoint_url of {way_in}"
        ) from None
    except (OSError, ClientError, BotoCoreError) as error:
        if lack := lack_of(error):
            raise lack from None  # The fault is not the store's.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if not is_listed and getattr(error, "errno", None) in _REFUSED:
            raise ConfigurationError(
                f"{where}: refused with {way_in} ({reason}); correct it or `path` in "
                "sources.yml"
            ) from None
        raise SourceUnavailableError(
            f"{where}: the store cannot be reached with {way_in} ({reason})"
        ) from None
