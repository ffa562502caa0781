"""Send alerts of the crisis watch through Airflow's notifiers."""

import html
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseHook, BaseNotifier, Context

from kith.company.folder import CrisisWatch
from kith.errors import (
    ConfigurationError,
    CredentialsError,
    SourceUnavailableError,
    one_line,
)

if TYPE_CHECKING:
    from kith.watch.alerts import Alert

_SECONDS = 30


class WebhookNotifier(BaseNotifier):
    """Posts a message as JSON to the web address of a connection of type http.

    Of the connection it takes host (with its protocol, else https), port, schema as
    protocol, the path in `endpoint` of its extra, and its password as a bearer's token.
    """

    def __init__(self, connection_id: str, message: dict[str, Any]) -> None:
        super().__init__()
        self.connection_id = connection_id
        self.message = message

    def notify(self, context: Any) -> None:
        """Send it; raises SourceUnavailableError where nobody takes it."""
        connection = BaseHook.get_connection(self.connection_id)
        host = connection.host or ""
        if "://" not in host:
            host = f"{connection.schema or 'https'}://{host}"
        port = f":{connection.port}" if connection.port else ""
        path = connection.extra_dejson.get("endpoint", "")
        headers = {"Content-Type": "application/json"}
        if connection.password:
            headers["Authorization"] = f"Bearer {connection.password}"
        request = urllib.request.Request(  # noqa: S310
            f"{host}{port}/{path.lstrip('/')}",
            data=json.dumps(self.message).encode(),
            headers=headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
                pass
        # Neither address nor answer is shown: each may hold a secret.
        except urllib.error.HTTPError as error:
            is_refused = error.code in (401, 403)
            kind = CredentialsError if is_refused else SourceUnavailableError
            raise kind(
                f"connection '{self.connection_id}': its web address answered "
                f"{error.code} to an alert; expected 200"
            ) from None
        except (OSError, ValueError) as error:
            raise SourceUnavailableError(
                f"connection '{self.connection_id}': its web address took no alert "
                f"({type(error).__name__})"
            ) from None


def notifier_of(declared: CrisisWatch, alert: "Alert") -> BaseNotifier:
    """The notifier for an alert, by the type of the connection that is declared.

    Raises ConfigurationError where nothing can be sent by it.
    """
    connection_id = declared.alert or ""
    kind = BaseHook.get_connection(connection_id).conn_type
    if kind in ("http", "https"):
        message = {"text": alert.text, **alert.details}
        return WebhookNotifier(connection_id, message)
    if kind != "smtp":
        raise ConfigurationError(
            f"connection '{connection_id}': its type is {kind}; crisis_watch.alert "
            "needs one of type http, for a webhook, or smtp, for e-mail"
        )
    if not declared.to:
        raise ConfigurationError(
            f"connection '{connection_id}' sends e-mail, but crisis_watch.to in "
            "company.yml names no address"
        )
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return SmtpNotifier(
        to=declared.to,
        subject=one_line(alert.title),
        html_content=f"<pre>{html.escape(alert.text)}</pre>",
        smtp_conn_id=connection_id,
    )


def send_alerts(look: dict[str, str], **context: Any) -> list[str]:
    """Send what is new in the watch's release; returns the keys of what was sent."""
    from kith.watch.alerts import new_alerts, remember
    from kith.watch.fresh import Watch

    watch = Watch.from_dict(look)
    declared = watch.run.company.crisis_watch
    sent = []
    for alert in new_alerts(watch):
        if declared and declared.alert:
            # Not called: that would read what customers wrote as a template.
            notifier_of(declared, alert).notify(cast(Context, context))
        remember(watch, alert)
        sent.append(alert.key)
    return sent
