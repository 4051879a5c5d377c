"""Options that commands share. One that is left out leaves the setting to the environment, the file, the default."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from litemail.config import Settings
from litemail.kit.logging import Level


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    data_dir: Path | None = None
    "Folder of everything that is kept: database, mail, keys."
    host: str | None = None
    "Address that all servers listen on."
    http_port: int | None = None
    "Port of the API; for every port, 0 takes any free one."
    dns_port: int | None = None
    "Port of the DNS server."
    smtp_port: int | None = None
    "Port where mail for our addresses comes in."
    submission_port: int | None = None
    "Port where mailboxes send."
    imap_port: int | None = None
    "Port of IMAP with STARTTLS."
    imaps_port: int | None = None
    "Port of IMAP under TLS."
    sandbox_http_port: int | None = None
    "Port of the sandbox's sending platforms."
    sandbox_imap_port: int | None = None
    "Port of the sandbox's IMAP server."
    sandbox_smtp_port: int | None = None
    "Port of the sandbox's submission server."
    log_level: Level | None = None
    "debug, info, warning or error."

    def settings(self) -> Settings:
        """Raises pydantic.ValidationError."""
        return Settings(**{name: value for name, value in asdict(self).items() if value is not None})


Given = Annotated[Options | None, Parameter(name="*")]


def settings_of(options: Options | None) -> Settings:
    return (options or Options()).settings()
