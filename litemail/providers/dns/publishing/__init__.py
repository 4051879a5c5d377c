"""Our records at a customer's own DNS provider: read what is there, plan, apply; never touch what is not ours."""

from litemail.providers.dns.publishing.base import CredentialField as CredentialField
from litemail.providers.dns.publishing.base import Credentials as Credentials
from litemail.providers.dns.publishing.base import Declaration as Declaration
from litemail.providers.dns.publishing.base import Endpoint as Endpoint
from litemail.providers.dns.publishing.base import Provider as Provider
from litemail.providers.dns.publishing.base import Providers as Providers
from litemail.providers.dns.publishing.base import Publisher as Publisher
from litemail.providers.dns.publishing.base import providers as providers
from litemail.providers.dns.publishing.base import read_credentials as read_credentials
from litemail.providers.dns.publishing.errors import ActionNeeded as ActionNeeded
from litemail.providers.dns.publishing.errors import DnsProviderError as DnsProviderError
from litemail.providers.dns.publishing.errors import GivenUp as GivenUp
from litemail.providers.dns.publishing.errors import NotOffered as NotOffered
from litemail.providers.dns.publishing.errors import TryAgain as TryAgain
from litemail.providers.dns.publishing.plan import Conflict as Conflict
from litemail.providers.dns.publishing.plan import Plan as Plan
from litemail.providers.dns.publishing.plan import Reason as Reason
from litemail.providers.dns.publishing.plan import Value as Value
from litemail.providers.dns.publishing.plan import make_plan as make_plan
from litemail.providers.dns.publishing.plan import value_of as value_of
