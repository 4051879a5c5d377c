"""Jobs of domains that are at a registrar."""

from collections.abc import Mapping

from litemail.domains.moving import delegate_left, delegate_purchased, look_for_moved, look_whether_moved
from litemail.kit.jobs import Job

JOBS: Mapping[str, Job] = {
    "domains.delegate_purchased": delegate_purchased,
    "domains.delegate_left": delegate_left,
    "domains.look_for_moved": look_for_moved,
    "domains.look_whether_moved": look_whether_moved,
}
HANDLERS: Mapping[str, str] = {}
SCHEDULES: Mapping[str, str] = {
    "domains.delegate_left": "*/10 * * * * 45",
    "domains.look_for_moved": "41 5 * * *",
}
