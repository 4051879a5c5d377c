"""People who sign in: accounts, passwords, sessions."""

from litemail.users.queries import User as User
from litemail.users.service import BadCredentials as BadCredentials
from litemail.users.service import EmailTaken as EmailTaken
from litemail.users.service import RefreshTokenRefused as RefreshTokenRefused
from litemail.users.service import Tokens as Tokens
from litemail.users.service import allow_live as allow_live
from litemail.users.service import create as create
from litemail.users.service import forget_what_ended as forget_what_ended
from litemail.users.service import get as get
from litemail.users.service import issue_tokens as issue_tokens
from litemail.users.service import live_is_allowed as live_is_allowed
from litemail.users.service import log_in as log_in
from litemail.users.service import log_out as log_out
from litemail.users.service import read_access_token as read_access_token
from litemail.users.service import refresh as refresh
from litemail.users.service import set_default_workspace as set_default_workspace
from litemail.users.service import update as update
