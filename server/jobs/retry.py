"""Which failures are tried again, and when."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

MAX_ATTEMPTS = 8
LONGEST_WAIT = 3600  # seconds


class JobFailed(Exception):
    """The job failed and would fail again; the text says why."""


class JobInterrupted(JobFailed):
    """The job failed by something that passes: a source or the database away, a process killed."""


class BackOff(BaseRetryStrategy):
    """Waits `wait` seconds, then twice as long each time, with a tenth of chance in it."""

    def __init__(self, wait: float) -> None:
        self.wait = wait

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """A worker that is told to stop gives its jobs back at once; what passes is tried again, the rest is not."""
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_at=datetime.now(UTC))
        passing = isinstance(exception, (JobInterrupted, ConnectorException))  # the latter: its end could not be noted
        if passing and job.attempts + 1 < MAX_ATTEMPTS:
            return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=self.seconds(job.attempts)))
        return None

    def seconds(self, attempts: int) -> float:
        """How long to wait after so many attempts before the one that failed now."""
        return min(self.wait * 2**attempts, LONGEST_WAIT) * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load
