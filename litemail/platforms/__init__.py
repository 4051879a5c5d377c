"""Sending platforms, and the logins there that customers have stored."""

from litemail.platforms.doors import Doors as Doors
from litemail.platforms.doors import Sites as Sites
from litemail.platforms.doors import TwinRate as TwinRate
from litemail.platforms.queries import PlatformAccount as PlatformAccount
from litemail.platforms.service import NoTwin as NoTwin
from litemail.platforms.service import SecretsExpired as SecretsExpired
from litemail.platforms.service import check_offered as check_offered
from litemail.platforms.service import find as find
from litemail.platforms.service import find_or_create as find_or_create
from litemail.platforms.service import sign_in as sign_in
