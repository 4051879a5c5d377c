"""What our DNS serves: a zone for each domain, and the records in it."""

from litemail.zones.at_provider import ManagedRecords as ManagedRecords
from litemail.zones.at_provider import add_managed as add_managed
from litemail.zones.at_provider import keep_elsewhere as keep_elsewhere
from litemail.zones.at_provider import managed as managed
from litemail.zones.editing import ManagedRecord as ManagedRecord
from litemail.zones.editing import RecordNotFound as RecordNotFound
from litemail.zones.managing import LeadsElsewhere as LeadsElsewhere
from litemail.zones.managing import erase as erase
from litemail.zones.managing import point as point
from litemail.zones.queries import Zone as Zone
from litemail.zones.queries import ZoneRecord as ZoneRecord
from litemail.zones.rewriting import rewrite as rewrite
from litemail.zones.service import NewZone as NewZone
from litemail.zones.service import ServedZone as ServedZone
from litemail.zones.service import UnknownDomain as UnknownDomain
from litemail.zones.service import ZoneNotFound as ZoneNotFound
from litemail.zones.service import create_many as create_many
from litemail.zones.service import plain_name as plain_name
from litemail.zones.service import publish as publish
from litemail.zones.service import remove as remove
from litemail.zones.service import restore as restore
from litemail.zones.service import served as served
from litemail.zones.service import withdraw as withdraw
