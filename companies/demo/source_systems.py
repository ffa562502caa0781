"""Stands for the demo company's source systems: files, a database and a web service.

`python source_systems.py FOLDER FIRST_DAY LAST_DAY` makes in FOLDER, once, what the
systems hold of these days, serves the web service on a free port of this machine and
prints one line of JSON: the environment variables by which Kith finds it all. It ends
when its standard input is closed.

For another size: `--customers 100000 --make-only`, with `--contacts 24` for as many
letters of news a customer; what lies in FOLDER is kept as long as days, seed and sizes
are those asked for, or nothing is asked.
"""

import argparse
import datetime as dt
import fcntl
import json
import os
import secrets
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from generator.plan import CUSTOMERS, SEED, VERSION, Plan

Answer = tuple[str, dict[str, str]]  # body, and headers beside the usual ones


def make(folder: Path, wanted: dict[str, Any]) -> None:
    """Fill the folder unless it holds what is wanted. One process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "stamp.json"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = json.loads(stamp.read_text()) if stamp.is_file() else {}
        usual = {"customers": CUSTOMERS, "seed": SEED, "contacts": 0}
        asked = {name: value for name, value in wanted.items() if value is not None}
        if held | asked | {"version": VERSION} == held:
            return
        from generator.company import generate  # which most starts do without

        full = {**usual, **asked, "version": VERSION}
        unfinished = folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        plan = Plan(
            customers=full["customers"],
            first_day=dt.date.fromisoformat(full["first_day"]),
            last_day=dt.date.fromisoformat(full["last_day"]),
            seed=full["seed"],
            contacts=full["contacts"],
        )
        generate(unfinished, plan)
        stamp.unlink(missing_ok=True)
        for part in ("delivered", "truth"):
            shutil.rmtree(folder / part, ignore_errors=True)
            (unfinished / part).rename(folder / part)
        unfinished.rmdir()
        stamp.write_text(json.dumps(full))


def identifier_key(folder: Path) -> str:
    """A key of this folder's own, for whoever has set none: good for a demo only."""
    path = folder / "identifier.key"
    if not path.is_file():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


class Service:
    """The answers of the web service, out of an SQLite file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.paths: dict[str, Callable[[dict[str, str]], Answer]] = {
            "/mailing/campaigns": self.campaigns,
            "/club/consents": self.consents,
            "/community/posts": self.posts,
            "/survey/answers": self.answers,
        }

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self._file}?mode=ro", uri=True) as database:
            found = database.execute(sql, values).fetchall()
        database.close()
        return found

    def campaigns(self, _: dict[str, str]) -> Answer:
        """All at once."""
        rows = self._query("select body from mailing_campaigns order by number")
        return f'{{"campaigns": {_listed(rows)}}}', {}

    def consents(self, asked: dict[str, str]) -> Answer:
        """A bare list; the next page stands in the header Link."""
        size, after = int(asked.get("per_page", 100)), int(asked.get("after", 0))
        rows = self._query(
            "select body, number from club_consents where number > ? "
            "order by number limit ?",
            after,
            size,
        )
        if len(rows) < size:
            return _listed(rows), {}
        following = urlencode({"per_page": size, "after": rows[-1][1]})
        return _listed(rows), {"Link": f'</club/consents?{following}>; rel="next"'}

    def posts(self, asked: dict[str, str]) -> Answer:
        """With a cursor; the last page has none."""
        size, after = int(asked.get("limit", 100)), int(asked.get("cursor", 0))
        rows = self._query(
            "select body, number from community_posts where number > ? "
            "and moment >= ? and moment < ? order by number limit ?",
            after,
            asked.get("since", ""),
            asked.get("until", "9"),
            size,
        )
        following = json.dumps(str(rows[-1][1]) if len(rows) == size else None)
        return f'{{"posts": {_listed(rows)}, "next_cursor": {following}}}', {}

    def answers(self, asked: dict[str, str]) -> Answer:
        """By pages, from 1, with the number of all rows."""
        size, page = int(asked.get("size", 100)), int(asked.get("page", 1))
        days = (asked.get("since", ""), asked.get("until", "9"))
        between = "from survey_answers where moment >= ? and moment < ?"
        ((total,),) = self._query(f"select count(*) {between}", *days)
        rows = self._query(
            f"select body {between} order by number limit ? offset ?",
            *days,
            size,
            (page - 1) * size,
        )
        return f'{{"total": {total}, "data": {_listed(rows)}}}', {}


def _listed(rows: list[tuple[Any, ...]]) -> str:
    return f"[{','.join(row[0] for row in rows)}]"


def serve(service: Service, token: str) -> ThreadingHTTPServer:
    """Answer on a free port of this machine, to whoever shows the token."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            answer = service.paths.get(address.path)
            shown = self.headers.get("Authorization", "")
            if not secrets.compare_digest(shown, f"Bearer {token}"):
                self._send(HTTPStatus.UNAUTHORIZED, '{"error": "no valid token"}', {})
            elif answer is None:
                self._send(HTTPStatus.NOT_FOUND, '{"error": "no such path"}', {})
            else:
                self._send(HTTPStatus.OK, *answer(dict(parse_qsl(address.query))))

        def _send(self, status: int, body: str, headers: dict[str, str]) -> None:
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """Make, serve, say where, and wait for the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    for name in ("first_day", "last_day"):
        parser.add_argument(name, type=lambda day: str(dt.date.fromisoformat(day)))
    parser.add_argument("--customers", type=int)
    parser.add_argument("--contacts", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--make-only", action="store_true")
    asked = vars(parser.parse_args())
    folder, make_only = asked.pop("folder").resolve(), asked.pop("make_only")
    # Ctrl-C is for those who started it: they close the input when they are done.
    signal.signal(
        signal.SIGINT, signal.default_int_handler if make_only else signal.SIG_IGN
    )
    make(folder, asked)
    if make_only:
        return
    token = secrets.token_urlsafe(24)
    server = serve(Service(folder / "delivered" / "api.sqlite"), token)
    crm = {"conn_type": "sqlite", "host": str(folder / "delivered" / "crm.sqlite")}
    api = {
        "conn_type": "http",
        "host": "127.0.0.1",
        "port": server.server_address[1],
        "password": token,
    }
    variables = {
        "KITH_DEMO_FILES": str(folder / "delivered"),
        "AIRFLOW_CONN_DEMO_CRM": json.dumps(crm),
        "AIRFLOW_CONN_DEMO_API": json.dumps(api),
    }
    if not os.environ.get("KITH_IDENTIFIER_KEY"):
        variables["KITH_IDENTIFIER_KEY"] = identifier_key(folder)
    print(json.dumps(variables), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
