"""Registrars behind one protocol: what names cost, who has them, buying, renewing and moving them."""

from litemail.providers.registrar.base import LONGEST_TERM as LONGEST_TERM
from litemail.providers.registrar.base import Availability as Availability
from litemail.providers.registrar.base import Contact as Contact
from litemail.providers.registrar.base import Lookup as Lookup
from litemail.providers.registrar.base import Offer as Offer
from litemail.providers.registrar.base import Operation as Operation
from litemail.providers.registrar.base import OperationStatus as OperationStatus
from litemail.providers.registrar.base import Prices as Prices
from litemail.providers.registrar.base import Registrar as Registrar
from litemail.providers.registrar.base import Registrars as Registrars
from litemail.providers.registrar.base import Registration as Registration
from litemail.providers.registrar.errors import NoRegistrar as NoRegistrar
from litemail.providers.registrar.errors import NotAvailable as NotAvailable
from litemail.providers.registrar.errors import NotHeld as NotHeld
from litemail.providers.registrar.errors import OutcomeUnknown as OutcomeUnknown
from litemail.providers.registrar.errors import PriceChanged as PriceChanged
from litemail.providers.registrar.errors import Refused as Refused
from litemail.providers.registrar.errors import RegistrarError as RegistrarError
from litemail.providers.registrar.errors import RegistrarGone as RegistrarGone
from litemail.providers.registrar.errors import RegistrarMisconfigured as RegistrarMisconfigured
from litemail.providers.registrar.errors import RegistrarUnavailable as RegistrarUnavailable
from litemail.providers.registrar.errors import StillUnderWay as StillUnderWay
from litemail.providers.registrar.errors import SuffixNotSold as SuffixNotSold
from litemail.providers.registrar.errors import UnexpectedAnswer as UnexpectedAnswer
