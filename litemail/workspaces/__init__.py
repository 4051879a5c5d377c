"""Workspaces, who belongs to them, and the keys that act in them."""

from litemail.workspaces.keys import create_key as create_key
from litemail.workspaces.queries import Workspace as Workspace
from litemail.workspaces.queries import touch_keys as touch_keys
from litemail.workspaces.roles import SCOPES as SCOPES
from litemail.workspaces.service import LiveNotAllowed as LiveNotAllowed
from litemail.workspaces.service import LivePolicy as LivePolicy
from litemail.workspaces.service import WorkspaceNotFound as WorkspaceNotFound
from litemail.workspaces.service import actor_by_key as actor_by_key
from litemail.workspaces.service import actor_by_session as actor_by_session
from litemail.workspaces.service import create as create
from litemail.workspaces.service import get as get
