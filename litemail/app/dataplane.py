"""Configuration of the production engines, rendered from the settings."""

from collections.abc import Mapping
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from litemail.config import Settings
from litemail.kit.errors import Error
from litemail.protocols import soa

ROLE: Final = "litemail_powerdns"
PASSWORD_FILE: Final = "/etc/powerdns/litemail.pgpass"  # noqa: S105 - where it is, not what it is


class DatabaseUrlNeeded(Error):
    code = "dataplane.database_url_needed"
    message = "PowerDNS reads the database itself, and the embedded one lets nobody else in."
    action = "Use your own PostgreSQL with LITEMAIL_DATABASE_URL, then render again."


def render_powerdns(settings: Settings) -> Mapping[str, str]:
    """The files for PowerDNS by their names: its configuration, and the SQL that makes its role.

    No secret is in them. Raises DatabaseUrlNeeded.
    """
    if settings.database_url is None:
        raise DatabaseUrlNeeded
    where = conninfo_to_dict(settings.database_url.get_secret_value())
    resolver = settings.dns_resolvers.partition(",")[0].strip()
    return {
        "pdns.conf": _PDNS_CONF.format(
            host=where.get("host", "localhost"),
            port=where.get("port", 5432),
            database=where.get("dbname", "litemail"),
            role=ROLE,
            password_file=PASSWORD_FILE,
            connection=_CONNECTION.format(password_file=PASSWORD_FILE, hostmaster=_as_name(settings.hostmaster)),
            alias=_ALIAS.format(resolver=resolver) if resolver else _NO_ALIAS,
        ),
        "role.sql": _ROLE_SQL.format(role=ROLE, database=where.get("dbname", "litemail")),
    }


def _as_name(contact: str) -> str:
    """The mailbox of an SOA record as a domain name in zone file notation (RFC 1035 5.1, 8)."""
    local, domain = soa.mailbox(contact)
    return f"{local.replace('.', chr(92) + '.')}.{domain}" if local else domain


_CONNECTION = "passfile='{password_file}' options='-c search_path=powerdns -c litemail.hostmaster={hostmaster}'"

_PDNS_CONF = """\
# PowerDNS Authoritative Server for the hosted zones of Litemail.
# Rendered by `litemail dataplane render powerdns`; changes here are lost at the next rendering.
# Packages of Debian: pdns-server, pdns-backend-pgsql.

# The database. The password of the role is in {password_file}, one line:
#   {host}:{port}:{database}:{role}:PASSWORD
launch=gpgsql
gpgsql-host={host}
gpgsql-port={port}
gpgsql-dbname={database}
gpgsql-user={role}
gpgsql-extra-connection-parameters={connection}
gpgsql-dnssec=no

# What is asked often is asked of the database every two seconds; new zones are found within five.
cache-ttl=2
query-cache-ttl=2
negquery-cache-ttl=2
zone-cache-refresh-interval=5

# Where it listens.
local-address=0.0.0.0, ::
local-port=53

{alias}

# Nothing is transferred or told about, and nobody is called.
primary=no
secondary=no
disable-axfr=yes
security-poll-suffix=
version-string=anonymous
api=no
webserver=no
"""

_ALIAS = """\
# ALIAS records are answered with the addresses that this resolver finds.
expand-alias=yes
resolver={resolver}"""
_NO_ALIAS = """\
# Without a resolver (LITEMAIL_DNS_RESOLVERS) ALIAS records have no addresses.
expand-alias=no"""

_ROLE_SQL = """\
-- The role that PowerDNS signs in with: it reads the views of the schema powerdns and nothing else.
-- Rendered by `litemail dataplane render powerdns`. Run it once after `litemail migrate`, as a login that may create
-- roles and is a member of litemail_owner; then give the role a password: ALTER ROLE {role} PASSWORD '...'.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} LOGIN;
    END IF;
END $$;
ALTER ROLE {role} SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE "{database}" TO {role};
GRANT USAGE ON SCHEMA powerdns TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA powerdns TO {role};
"""
