"""Sending platforms behind one protocol: what they are, how inboxes get there, what can go wrong."""

from litemail.providers.platform.base import (
    Accepted as Accepted,
)
from litemail.providers.platform.base import (
    Adapter as Adapter,
)
from litemail.providers.platform.base import (
    Capability as Capability,
)
from litemail.providers.platform.base import (
    Changes as Changes,
)
from litemail.providers.platform.base import (
    CredentialField as CredentialField,
)
from litemail.providers.platform.base import (
    Credentials as Credentials,
)
from litemail.providers.platform.base import (
    Declaration as Declaration,
)
from litemail.providers.platform.base import (
    Exchange as Exchange,
)
from litemail.providers.platform.base import (
    Exchanged as Exchanged,
)
from litemail.providers.platform.base import (
    InboxToAdd as InboxToAdd,
)
from litemail.providers.platform.base import (
    InboxType as InboxType,
)
from litemail.providers.platform.base import (
)
from litemail.providers.platform.base import (
    Login as Login,
)
from litemail.providers.platform.base import (
    MailServer as MailServer,
)
from litemail.providers.platform.base import (
    OpenSession as OpenSession,
)
from litemail.providers.platform.base import (
    Outcome as Outcome,
)
from litemail.providers.platform.base import (
    PlatformWorkspace as PlatformWorkspace,
)
from litemail.providers.platform.base import (
    Reach as Reach,
)
from litemail.providers.platform.base import (
    Refused as Refused,
)
from litemail.providers.platform.base import (
    RemoteInbox as RemoteInbox,
)
from litemail.providers.platform.base import (
    Security as Security,
)
from litemail.providers.platform.base import (
    Session as Session,
)
from litemail.providers.platform.base import (
    SignIn as SignIn,
)
from litemail.providers.platform.base import (
    Site as Site,
)
from litemail.providers.platform.base import (
    Standing as Standing,
)
from litemail.providers.platform.errors import (
    ActionNeeded as ActionNeeded,
)
from litemail.providers.platform.errors import (
    AlreadyConnectedElsewhere as AlreadyConnectedElsewhere,
)
from litemail.providers.platform.errors import (
    BadCredentials as BadCredentials,
)
from litemail.providers.platform.errors import (
    Concerns as Concerns,
)
from litemail.providers.platform.errors import (
    FileOnly as FileOnly,
)
from litemail.providers.platform.errors import (
    GivenUp as GivenUp,
)
from litemail.providers.platform.errors import (
    InboxSignInRefused as InboxSignInRefused,
)
from litemail.providers.platform.errors import (
    LimitReached as LimitReached,
)
from litemail.providers.platform.errors import (
    LoginNotOffered as LoginNotOffered,
)
from litemail.providers.platform.errors import (
    NoPaidPlan as NoPaidPlan,
)
from litemail.providers.platform.errors import (
    NotAvailable as NotAvailable,
)
from litemail.providers.platform.errors import (
    OutcomeUnknown as OutcomeUnknown,
)
from litemail.providers.platform.errors import (
    PlatformError as PlatformError,
)
from litemail.providers.platform.errors import (
    RateLimited as RateLimited,
)
from litemail.providers.platform.errors import (
    Rejected as Rejected,
)
from litemail.providers.platform.errors import (
    TotpRequired as TotpRequired,
)
from litemail.providers.platform.errors import (
    TryAgain as TryAgain,
)
from litemail.providers.platform.errors import (
    Unavailable as Unavailable,
)
from litemail.providers.platform.errors import (
    UnexpectedAnswer as UnexpectedAnswer,
)
from litemail.providers.platform.errors import (
    UnknownPlatform as UnknownPlatform,
)
from litemail.providers.platform.errors import (
    WorkspaceNotFound as WorkspaceNotFound,
)
from litemail.providers.platform.errors import (
    WorkspaceRequired as WorkspaceRequired,
)
from litemail.providers.platform.pacing import Limits as Limits
from litemail.providers.platform.pacing import Pacer as Pacer
from litemail.providers.platform.pacing import twin_limits as twin_limits
from litemail.providers.platform.registry import (
    PLATFORMS as PLATFORMS,
)
from litemail.providers.platform.registry import (
    Platform as Platform,
)
from litemail.providers.platform.registry import (
    Registry as Registry,
)
from litemail.providers.platform.registry import (
    registry as registry,
)
