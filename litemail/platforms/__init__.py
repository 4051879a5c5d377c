"""Sending platforms, and the logins there that customers have stored."""

from litemail.platforms.batch import Batch as Batch
from litemail.platforms.batch import Means as Means
from litemail.platforms.batch import hand_over as hand_over
from litemail.platforms.doors import Doors as Doors
from litemail.platforms.doors import Sites as Sites
from litemail.platforms.doors import TwinRate as TwinRate
from litemail.platforms.handover import HandOver as HandOver
from litemail.platforms.lease import LeaseLost as LeaseLost
from litemail.platforms.lease import leased as leased
from litemail.platforms.pace import Pace as Pace
from litemail.platforms.queries import PlatformAccount as PlatformAccount
from litemail.platforms.service import NoTwin as NoTwin
from litemail.platforms.service import SecretsExpired as SecretsExpired
from litemail.platforms.service import check_offered as check_offered
from litemail.platforms.service import find as find
from litemail.platforms.service import find_or_create as find_or_create
from litemail.platforms.service import sign_in as sign_in
from litemail.platforms.work import OPEN as OPEN
from litemail.platforms.work import Change as Change
from litemail.platforms.work import Work as Work
from litemail.platforms.work import WorkStatus as WorkStatus
from litemail.platforms.work import problem_of as problem_of
