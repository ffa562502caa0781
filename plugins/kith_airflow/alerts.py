"""Send alerts of incidents and of the crisis watch through Airflow's notifiers."""

import html
import json
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseHook, BaseNotifier, Context

from kith.company.folder import Company, load_company
from kith.errors import (
    ConfigurationError,
    CredentialsError,
    KithError,
    SourceUnavailableError,
    one_line,
)
from kith.failures import explained
from kith.incidents.alerts import Alert, Pending, alert_of, pending, remember, telling
from kith.incidents.incident import Incident
from kith.settings import load_settings

if TYPE_CHECKING:
    from kith.watch.alerts import Spike

_log = logging.getLogger(__name__)
_SECONDS = 30
_SLACK = "https://hooks.slack.com/services"


class WebhookNotifier(BaseNotifier):
    """Posts a message as JSON to the web address of a connection.

    Of the connection it takes host (with its protocol, else https), port and schema as
    protocol. One of type http has the path in `endpoint` of its extra, and may have a
    bearer's token as its password; of type slackwebhook the password is the path's
    end, and the host that of Slack unless it is another, as Airflow has it.
    """

    def __init__(self, connection_id: str, message: dict[str, Any]) -> None:
        super().__init__()
        self.connection_id = connection_id
        self.message = message

    def notify(self, context: Any) -> None:
        """Send it; raises SourceUnavailableError where nobody takes it."""
        connection = BaseHook.get_connection(self.connection_id)
        is_slack = connection.conn_type == "slackwebhook"
        host = connection.host or (_SLACK if is_slack else "")
        if "://" not in host:
            host = f"{connection.schema or 'https'}://{host}"
        port = f":{connection.port}" if connection.port else ""
        path = connection.extra_dejson.get("endpoint", "")
        headers = {"Content-Type": "application/json"}
        if connection.password and is_slack:
            path = connection.password
        elif connection.password:
            headers["Authorization"] = f"Bearer {connection.password}"
        request = urllib.request.Request(  # noqa: S310
            f"{host.rstrip('/')}{port}/{path.lstrip('/')}",
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
                f"({_why(error)})"
            ) from None


def _why(error: OSError | ValueError) -> str:
    """The system's words for why nobody was reached, else the kind of error."""
    cause = getattr(error, "reason", None)
    cause = cause if isinstance(cause, Exception) else error
    # That of TLS may name the address.
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError):
        return cause.strerror or type(cause).__name__
    return type(cause).__name__


def notifier_of(
    connection_id: str, to: list[str], alert: Alert, key: str
) -> BaseNotifier:
    """The notifier for an alert, by the type of the connection that is declared.

    `key` is where company.yml declares it. Raises ConfigurationError where nothing can
    be sent by it.
    """
    kind = BaseHook.get_connection(connection_id).conn_type
    if kind in ("http", "https"):
        return WebhookNotifier(connection_id, {"text": alert.text, **alert.details})
    if kind == "slackwebhook":
        return WebhookNotifier(connection_id, {"text": _in_slack(alert)})
    if kind != "smtp":
        raise ConfigurationError(
            f"connection '{connection_id}': its type is {kind}; {key} "
            "needs one of type http or slackwebhook, for a webhook, or smtp, for e-mail"
        )
    if not to:
        raise ConfigurationError(
            f"connection '{connection_id}' sends e-mail, but {key} in "
            "company.yml names no address (to)"
        )
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return SmtpNotifier(
        to=to,
        subject=one_line(alert.title),
        html_content=f"<pre>{html.escape(alert.text)}</pre>",
        smtp_conn_id=connection_id,
    )


def _in_slack(alert: Alert) -> str:
    """Title and text, in which nothing is a link or a mention."""
    title, text = (html.escape(each, quote=False) for each in (alert.title, alert.text))
    return f"{one_line(title)}\n```{text.replace('```', chr(39) * 3)}```"


# --- of incidents ---------------------------------------------------------------------


def on_success(name: str, folder: str) -> Callable[[Any], None]:
    """The callback of a company's tasks that tells what is still to be told."""

    def tell(context: Any) -> None:
        try:
            company = load_company(Path(folder))
            for line in send_pending(load_settings().home / name, company):
                _log.info(line)
        except Exception as error:
            # The task has succeeded all the same, and the next one tries again.
            _log.warning("no alert could be sent: %s", type(error).__name__)

    return tell


def send_pending(state: Path, company: Company) -> list[str]:
    """Send what company.yml wants to be told of incidents and nobody has heard yet.

    Returns a line for each alert: by whom it was sent, or why it was not, in which case
    it is sent at the next occasion. Never raises what sending raises.
    """
    if not pending(state, company):
        return []
    with telling(state):
        return [_send(company, each, state) for each in pending(state, company)]


def send_unkept(incident: Incident, company: Company) -> list[str]:
    """Send an incident that the disk did not take; who heard of it is not noted."""
    kind = (incident.severity, incident.failure_class)
    found = [each for each in company.alerts if each.takes(*kind)]
    return [_send(company, Pending(incident, "failure", route)) for route in found]


def _send(company: Company, each: Pending, state: Path | None = None) -> str:
    """Send one alert, and note it in the company's `state`."""
    route, incident = each.route, each.incident
    alert = alert_of(incident, company.title)
    try:
        notifier = notifier_of(route.connection, route.to, alert, "alerts")
        # Not called: that would read what stands in the alert as a template.
        notifier.notify(cast(Context, {}))
    except Exception as error:
        reason = str(error) if isinstance(error, KithError) else type(error).__name__
        return (
            f"{each.news} of incident {incident.incident_id} could not be told by "
            f"{route.connection}, which is tried again later: {one_line(reason)}"
        )
    line = f"{each.news} of incident {incident.incident_id} told by {route.connection}"
    try:
        if state:
            remember(state, each)
    except OSError as fault:
        line += f", and again later, since that could not be noted ({fault.strerror})"
    return line


# --- of the crisis watch --------------------------------------------------------------


def send_alerts(look: dict[str, str], **context: Any) -> list[str]:
    """Send what is new in the watch's release; returns the keys of what was sent."""
    from kith.incidents.history import record_success
    from kith.watch.alerts import new_alerts, remember
    from kith.watch.fresh import Watch

    watch = Watch.from_dict(look)
    declared = watch.run.company.crisis_watch
    sent: list[str] = []
    with watch.run.stage("alert") as figures:
        for spike in new_alerts(watch):
            if declared and declared.alert:
                try:
                    # Not called: that would read what customers wrote as a template.
                    notifier_of(
                        declared.alert, declared.to, spike, "crisis_watch.alert"
                    ).notify(cast(Context, context))
                except Exception as error:
                    fault = explained(error) or error
                    fault.add_note(_not_told(spike, declared.alert))
                    raise fault  # noqa: B904
            remember(watch, spike)
            sent.append(spike.key)
        figures["alerts"] = len(sent)
    record_success(watch.daily, "alert")
    return sent


def _not_told(spike: "Spike", connection: str) -> str:
    return (
        f"the watch's release is published, but its alert '{spike.title}' was not sent "
        f"by connection '{connection}' (crisis_watch.alert in company.yml); see "
        "whether its address answers from here, or mend the connection; the next look "
        f"tells it again, up to a day after that {spike.details['grain']}"
    )
