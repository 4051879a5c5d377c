"""Workspaces, who belongs to them, and the keys that act in them."""

from litemail.workspaces.keys import create_key as create_key
from litemail.workspaces.queries import Clock as Clock
from litemail.workspaces.queries import Workspace as Workspace
from litemail.workspaces.queries import payer_of as payer_of
from litemail.workspaces.queries import touch_keys as touch_keys
from litemail.workspaces.roles import SCOPES as SCOPES
from litemail.workspaces.service import LiveNotAllowed as LiveNotAllowed
from litemail.workspaces.service import LivePolicy as LivePolicy
from litemail.workspaces.service import WorkspaceNotFound as WorkspaceNotFound
from litemail.workspaces.service import actor_by_key as actor_by_key
from litemail.workspaces.service import actor_by_session as actor_by_session
from litemail.workspaces.service import create as create
from litemail.workspaces.service import get as get
from litemail.workspaces.time import ClockTooFar as ClockTooFar
from litemail.workspaces.time import get_clock as get_clock
from litemail.workspaces.time import move_clock as move_clock
from litemail.workspaces.time import rest_clock as rest_clock
from litemail.workspaces.time import set_clock_goal as set_clock_goal
from litemail.workspaces.time import time_of as time_of
