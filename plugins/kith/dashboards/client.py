"""The few calls of Superset's REST API that Kith needs."""

import http.client
import http.cookiejar
import json
import secrets
import urllib.error
import urllib.request
from typing import Any

from kith.errors import KithError, TransientError, one_line

USER = "admin"
# An import of sixty charts takes some seconds.
_PATIENCE_SECONDS = 300


class Client:
    """A session with the Superset at `url`, which is this machine's."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._password = password
        self._token: str | None = None
        self._csrf: str | None = None
        # No proxy between; and a cookie goes with the token against forged requests.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def is_healthy(self) -> bool:
        """Whether it answers at all."""
        try:
            self._send("GET", "/health")
        except KithError:
            return False
        return True

    def get(self, path: str) -> Any:
        """The JSON that a path below /api/v1 answers with."""
        self._log_in()
        return json.loads(self._send("GET", f"/api/v1{path}"))

    def data_of_chart(self, chart_id: int) -> list[dict[str, Any]]:
        """The rows that a chart shows. Raises KithError where its query fails."""
        (result,) = self.get(f"/chart/{chart_id}/data/")["result"]
        if result.get("error"):
            raise KithError(f"chart {chart_id}: {one_line(str(result['error']))}")
        return list(result["data"])

    def import_assets(self, bundle: bytes, passwords: dict[str, str]) -> None:
        """Import a ZIP of assets; what an earlier import brought is replaced.

        `passwords` are those of databases, by their files within the ZIP.
        """
        self._log_in()
        boundary = secrets.token_hex(16)
        head = 'Content-Disposition: form-data; name="{}"'
        parts = [
            head.format("passwords").encode()
            + b"\r\n\r\n"
            + json.dumps(passwords).encode(),
            head.format("bundle").encode()
            + b'; filename="kith.zip"\r\nContent-Type: application/zip\r\n\r\n'
            + bundle,
        ]
        mark = f"--{boundary}".encode()
        body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts)
        self._send(
            "POST",
            "/api/v1/assets/import/",
            body + mark + b"--\r\n",
            f"multipart/form-data; boundary={boundary}",
        )

    def _log_in(self) -> None:
        if self._token:
            return
        login = {"username": USER, "password": self._password, "provider": "db"}
        answer = self._send(
            "POST", "/api/v1/security/login", json.dumps(login).encode()
        )
        self._token = json.loads(answer)["access_token"]
        answer = self._send("GET", "/api/v1/security/csrf_token/")
        self._csrf = json.loads(answer)["result"]

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
    ) -> bytes:
        request = urllib.request.Request(  # noqa: S310
            self.url + path,
            data=body,
            method=method,
            headers={"Referer": self.url},
        )
        if body is not None:
            request.add_header("Content-Type", kind)
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        if self._csrf:
            request.add_header("X-CSRFToken", self._csrf)
        try:
            with self._opener.open(request, timeout=_PATIENCE_SECONDS) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            said = one_line(error.read().decode(errors="replace"))[:2000]
            raise KithError(
                f"Superset at {self.url} answered {error.code} to {path}: {said}"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(
                f"Superset at {self.url} does not answer: {error}"
            ) from None
