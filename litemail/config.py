"""All settings, each with its meaning. Sources, the first that knows wins: command-line options, `LITEMAIL_*`
variables, `litemail.toml` in the data folder, the defaults here.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from litemail.kit.endpoints import read_endpoints
from litemail.kit.errors import Error
from litemail.kit.logging import Level

Port = Annotated[int, Field(ge=0, le=65535)]

DEFAULT_DATA_DIR = Path(platformdirs.user_data_dir("litemail", appauthor=False))


class BadSettingsFile(Error):
    code = "settings.bad_file"
    message = "The settings in {path} cannot be read: {reason}"
    action = "Mend the file; it is TOML, with one `name = value` a line."


class PlanSetting(BaseModel):
    """An entry of the price list, in minor units. Quarters and years left out cost 2.7 and 10 months."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    included_mailboxes: int = Field(ge=0, le=1_000_000)
    month: int = Field(ge=0, le=10**12)
    quarter: int | None = Field(None, ge=0, le=10**12)
    year: int | None = Field(None, ge=0, le=10**12)
    addon_month: int = Field(ge=0, le=10**12)
    addon_quarter: int | None = Field(None, ge=0, le=10**12)
    addon_year: int | None = Field(None, ge=0, le=10**12)


class Settings(BaseSettings):
    """One flat tree. A variable is the field's name in capitals after `LITEMAIL_`."""

    model_config = SettingsConfigDict(env_prefix="LITEMAIL_", extra="forbid", frozen=True, validate_default=True)

    data_dir: Path = Field(DEFAULT_DATA_DIR, description="Folder of everything that is kept: database, mail, keys.")
    host: str = Field("127.0.0.1", description="Address that all servers listen on.")
    http_port: Port = Field(8080, description="Port of the API. For every port, 0 takes any free one.")
    dns_port: Port = Field(8053, description="Port of the DNS server, UDP and TCP.")
    smtp_port: Port = Field(8025, description="Port where mail for our addresses comes in.")
    submission_port: Port = Field(8587, description="Port where mailboxes send, with STARTTLS and a password.")
    imap_port: Port = Field(8143, description="Port of IMAP with STARTTLS.")
    imaps_port: Port = Field(8993, description="Port of IMAP under TLS from the first byte.")
    sandbox_http_port: Port = Field(0, description="Port of the sandbox's sending platforms.")
    sandbox_imap_port: Port = Field(0, description="Port of the sandbox's IMAP server (Gmail, Outlook, ... twins).")
    sandbox_smtp_port: Port = Field(0, description="Port of the sandbox's submission server.")
    redirect_port: Port = Field(8081, description="Port of the server that forwards the web of domains, HTTP.")
    redirect_tls_port: Port = Field(8444, description="The same under TLS; open when certificates are given by file.")
    redirect_certificates: Path | None = Field(
        None,
        description="Folder with `<domain>.pem` files, key and chain in one, for HTTPS of forwarded domains. Unset: a "
        "proxy in front does it.",
    )
    redirect_addresses: str | None = Field(
        None,
        description="Public addresses of the redirect servers, comma-separated: A and AAAA records of forwarded "
        "domains have them. Unset: the listening address.",
    )
    internal_networks: str = Field(
        "127.0.0.0/8,::1/128",
        description="Who may ask `/internal/tls-allowed`: networks, comma-separated. Requests through a proxy may not.",
    )
    smtp_relay: SecretStr | None = Field(
        None,
        description="Where mail to other servers goes: `smtp://user:password@host:587`, or `smtps://`. Unset: files in "
        "`outbox/` of the data folder, as always in sandbox workspaces.",
    )
    forwarding_daily_limit: int = Field(
        1000, ge=0, le=1_000_000, description="Messages that may be forwarded from a domain to outside in a day."
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or later, as a login that may create roles or owns ours. Unset: embedded."
    )
    database_app_url: SecretStr | None = Field(
        None, description="The same database as litemail_app. Unset: the role is made, with a derived password."
    )
    database_system_url: SecretStr | None = Field(
        None, description="The same database as litemail_system. Unset: the role is made, with a derived password."
    )
    database_pool: int = Field(10, ge=2, le=200, description="Connections per role and process.")
    master_keys: SecretStr | None = Field(
        None,
        description="Keys that seal stored secrets, newest first: `name:base64 of 32 bytes`, comma-separated. "
        "Unset: `master.keys` in the data folder, made on the first start.",
    )
    mail_hostname: str | None = Field(
        None,
        description="Public name of the mail host, in MX records and credentials. Unset: `mail.` below the domain of "
        "the name servers in MX records, the listening address in credentials.",
    )
    mailbox_daily_limit: int = Field(500, ge=1, le=1_000_000, description="Messages that a mailbox may send in a day.")
    name_server_domain: str = Field(
        "litemail.test", description="Domain of our name servers: ns01 to ns16 below it answer for hosted zones."
    )
    dns_resolvers: str = Field(
        "1.1.1.1, 8.8.8.8, 9.9.9.9",
        validate_default=False,
        description="Resolvers asked by DNS checks of live domains, and for targets of ALIAS records: addresses, each "
        "with `:port` where it is not 53. Empty: nobody is asked.",
    )
    private_dns_providers: str = Field(
        "",
        description="APIs of DNS providers that every workspace may publish at although their addresses are not "
        "public, a PowerDNS in your own network say: `address:port`, comma-separated.",
    )
    live_workspaces: Literal["operator", "open"] = Field(
        "operator", description="Who may create live workspaces: those approved by the operator, or everybody."
    )
    registration_open: bool = Field(True, description="Whether anybody may register (into a sandbox workspace).")
    mailboxes_per_domain: int = Field(5, ge=1, le=100_000, description="How many mailboxes a domain may have.")
    health_port: Port = Field(0, description="Port of /healthz and /readyz in processes that serve no API.")
    shared_port: bool = Field(False, description="Whether several API processes share the API's port. Set by `api`.")
    rate_limit: int = Field(50, ge=0, le=100_000, description="Requests a second for each key or user; 0 is no limit.")
    platform_password_exchange: bool = Field(
        True, description="Whether a platform's e-mail and password are exchanged for an API key (undocumented calls)."
    )
    worker_concurrency: int = Field(8, ge=1, le=200, description="Jobs that one worker runs at once.")
    plans: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], PlanSetting] | None = Field(
        None,
        description="The whole price list by plan id: tables `[plans.starter]` in the file, or JSON in the variable. "
        "Unset: the default list, as changed by `litemail plans set`.",
    )
    tax_rate: Decimal = Field(
        Decimal(0),
        ge=0,
        le=100,
        decimal_places=2,
        description="Percent of tax that all prices contain, as invoices from now on show it: 19 or 7.75.",
    )
    invoice_seller: str = Field(
        "Litemail",
        min_length=1,
        max_length=1000,
        description="Who sells, as invoices from now on show it: name, address, tax number, in several lines.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*[^\s/?#])?$",
        description="Where people reach the API from outside, without a slash at the end, as payment links show it. "
        "Unset: the listening address and port.",
    )
    stripe_secret_key: SecretStr | None = Field(
        None, description="Secret key of a Stripe account, `sk_...` or `rk_...`: live workspaces pay through it."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="Signing secret of the webhook at Stripe, `whsec_...`. Needed with the secret key."
    )
    stripe_api_base: str = Field(
        "https://api.stripe.com", description="Where Stripe's API is. Another one is a test double of it."
    )
    registrar: Literal["route53"] | None = Field(
        None, description="Where live workspaces buy domains: `route53` is Amazon Route 53. Unset: nowhere."
    )
    aws_access_key_id: str | None = Field(None, description="Access key of the Amazon account that holds the domains.")
    aws_secret_access_key: SecretStr | None = Field(None, description="The secret of that access key.")
    domain_margin: Decimal = Field(
        Decimal(0),
        ge=0,
        le=1000,
        decimal_places=2,
        description="Percent that domains cost more here than at the registrar; fractions of a cent are rounded up.",
    )
    rdap_bootstrap: Path | None = Field(
        None,
        description="IANA's list of RDAP servers, https://data.iana.org/rdap/dns.json, as a file: it tells which names "
        "are taken where no registrar is set up. Unset: only the DNS is asked.",
    )
    log_level: Level | None = Field(
        None, description="debug, info, warning or error. Unset: info, or warning when a person watches the terminal."
    )

    stop_at: str | None = Field(
        None,
        pattern=r"^[a-z_]+\.[a-z_]+(#[1-9][0-9]{0,5})?$",
        description="For tests of this program: it kills itself where that named step is done (`step#3`: the third "
        "time), to show that nothing is lost or done twice.",
    )

    @field_validator("private_dns_providers")
    @classmethod
    def _are_endpoints(cls, text: str) -> str:
        read_endpoints(text)
        return text

    @field_validator("dns_resolvers")
    @classmethod
    def _are_resolvers(cls, text: str) -> str:
        from litemail.providers.dns import parse_resolvers  # noqa: PLC0415 - heavy, and seldom set

        parse_resolvers(text)
        return text

    @property
    def mx_hostname(self) -> str:
        """What MX records point to."""
        return self.mail_hostname or f"mail.{self.name_server_domain}"

    @property
    def hostmaster(self) -> str:
        """The contact in SOA records."""
        return f"hostmaster@{self.name_server_domain}"

    @property
    def reachable_host(self) -> str:
        """Where clients on this machine reach our servers."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - shown, not bound

    @property
    def url_host(self) -> str:
        """The reachable host as it stands in a URL."""
        return f"[{self.reachable_host}]" if ":" in self.reachable_host else self.reachable_host

    def as_environment(self) -> dict[str, str]:
        """What was set, by whatever source, as variables for another process."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        texts = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in given.items()
            if value is not None
        }
        return {f"LITEMAIL_{name.upper()}": text for name, text in texts.items()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by the base class
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by the base class
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The file lies in the data folder, which only options and variables can name."""
        named = {**env_settings(), **init_settings()}
        folder = Path(named.get("data_dir") or DEFAULT_DATA_DIR)
        path = folder / "litemail.toml"
        try:
            file = TomlConfigSettingsSource(settings_cls, path)
        except (ValueError, OSError) as error:
            raise BadSettingsFile(path=path, reason=error) from error
        return init_settings, env_settings, file
