"""Jobs of platform accounts: none of their own yet; connections sign in with them."""

from collections.abc import Mapping

from litemail.kit.jobs import Job

JOBS: Mapping[str, Job] = {}
HANDLERS: Mapping[str, str] = {}
SCHEDULES: Mapping[str, str] = {}
