"""What the DNS says about a domain, asked at the servers that decide it and never at a cache."""

from litemail.providers.dns.challenge import CHALLENGE_LABEL as CHALLENGE_LABEL
from litemail.providers.dns.challenge import Challenge as Challenge
from litemail.providers.dns.challenge import ChallengeStatus as ChallengeStatus
from litemail.providers.dns.challenge import challenge as challenge
from litemail.providers.dns.delegation import Delegation as Delegation
from litemail.providers.dns.delegation import DelegationStatus as DelegationStatus
from litemail.providers.dns.delegation import delegation as delegation
from litemail.providers.dns.parents import FixedParent as FixedParent
from litemail.providers.dns.parents import Parents as Parents
from litemail.providers.dns.parents import PublicParents as PublicParents
from litemail.providers.dns.parents import Server as Server
from litemail.providers.dns.query import Evidence as Evidence
from litemail.providers.dns.resolvers import Resolvers as Resolvers
from litemail.providers.dns.resolvers import parse_resolvers as parse_resolvers
