"""Entry point of the dashboard's function: a table of jobs, as HTML.

No metric contains a job's state: only GetJob returns it.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html
"""

import html
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..api import model_rules
from ..contract import JOB_ARNS

_AT_ONCE = 8
_HEADINGS = ("Job", "Status", "Started", "Runtime", "Reason")
_DESCRIPTION = f"""## Hybrid jobs
Status and runtime of Amazon Braket hybrid jobs, by their ARNs.

```yaml
{JOB_ARNS}: [arn:aws:braket:…:job/…]
```
"""


class Jobs(Protocol):
    """The operations of boto3's client for Amazon Braket that are used here."""

    def get_job(self, *, jobArn: str) -> Mapping[str, object]:  # noqa: N803 - boto3's name
        """Return the description of a job."""


def handler(event: object, context: object) -> str:
    """Render the table; Lambda's entry point."""
    del context
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard"})
    return render(event, lambda: boto3.client("braket", config=config))


def render(event: object, jobs: Callable[[], Jobs], now: datetime | None = None) -> str:
    """Return the HTML of the dashboard.

    Args:
        event: CloudWatch's event: the widget's parameters, or `{"describe": true}`.
        jobs: Creates a client.
        now: The time. Default: the current time.
    """
    given = event if isinstance(event, Mapping) else {}
    if given.get("describe"):
        return _DESCRIPTION
    arns = given.get(JOB_ARNS)
    known = [a for a in arns if _is_arn(a)] if isinstance(arns, Sequence) else []
    if not known:
        return "<p>No hybrid jobs.</p>"
    client, at = jobs(), now or datetime.now(UTC)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(pool.map(lambda arn: _row(client, arn, at), known))
    return _table(_HEADINGS, rows)


def _is_arn(value: object) -> bool:
    return isinstance(value, str) and not model_rules.check("JobArn", value)


def _row(client: Jobs, arn: str, now: datetime) -> Sequence[str]:
    try:
        job = client.get_job(jobArn=arn)
    except ClientError as error:
        return (arn, "unknown", "", "", str(error.response.get("Error", {}).get("Code", "")))
    except BotoCoreError as error:
        return (arn, "unknown", "", "", type(error).__name__)
    started, ended = job.get("startedAt"), job.get("endedAt")
    return (
        str(job.get("jobName", arn)),
        str(job.get("status", "")),
        f"{started:%Y-%m-%d %H:%M:%S %Z}" if isinstance(started, datetime) else "",
        _runtime(started, ended, now),
        str(job.get("failureReason", "")),
    )


def _runtime(started: object, ended: object, now: datetime) -> str:
    if not isinstance(started, datetime):
        return ""
    seconds = int(((ended if isinstance(ended, datetime) else now) - started).total_seconds())
    hours, rest = divmod(max(seconds, 0), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Render a table. Names and reasons come from users: they are escaped."""
    lines = [_line("th", headings), *(_line("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _line(cell: str, texts: Sequence[str]) -> str:
    cells = "".join(f"<{cell}>{html.escape(text)}</{cell}>" for text in texts)
    return f"<tr>{cells}</tr>"
