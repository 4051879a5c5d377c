"""Mail hosts of others: where known providers are, how to sign in to an inbox, what refusals mean."""

from litemail.providers.mailhost.discovery import Ask as Ask
from litemail.providers.mailhost.discovery import Found as Found
from litemail.providers.mailhost.discovery import ServersNotFound as ServersNotFound
from litemail.providers.mailhost.discovery import ServersNotLookedUp as ServersNotLookedUp
from litemail.providers.mailhost.discovery import Ways as Ways
from litemail.providers.mailhost.discovery import discover as discover
from litemail.providers.mailhost.presets import PRESETS as PRESETS
from litemail.providers.mailhost.presets import Security as Security
from litemail.providers.mailhost.presets import Server as Server
from litemail.providers.mailhost.presets import Servers as Servers
from litemail.providers.mailhost.presets import preset_hosts as preset_hosts
from litemail.providers.mailhost.presets import provider_of as provider_of
from litemail.providers.mailhost.presets import routes as routes
from litemail.providers.mailhost.refusals import TEXTS as TEXTS
from litemail.providers.mailhost.refusals import Case as Case
from litemail.providers.mailhost.refusals import Replies as Replies
from litemail.providers.mailhost.signin import AppPasswordRequired as AppPasswordRequired
from litemail.providers.mailhost.signin import BadCredentials as BadCredentials
from litemail.providers.mailhost.signin import BasicAuthDisabled as BasicAuthDisabled
from litemail.providers.mailhost.signin import ImapDisabled as ImapDisabled
from litemail.providers.mailhost.signin import SignInFailed as SignInFailed
from litemail.providers.mailhost.signin import TlsFailed as TlsFailed
from litemail.providers.mailhost.signin import Unreachable as Unreachable
from litemail.providers.mailhost.signin import WrongServer as WrongServer
from litemail.providers.mailhost.signin import sign_in as sign_in
