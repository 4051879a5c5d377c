"""The commands that we understand: the engine's, two more, and a parser that survives whatever it is sent."""

from pymap.parsing import Params
from pymap.parsing.command import Command, CommandAuth, CommandNoArgs, CommandSelect
from pymap.parsing.command import auth as engine_auth
from pymap.parsing.commands import Commands, InvalidCommand
from pymap.parsing.exceptions import NotParseable
from pymap.parsing.specials import mailbox as engine_mailbox

from litemail.servers.imap import maildir


class UnselectCommand(CommandNoArgs, CommandSelect):
    """RFC 3691: leave a folder without expunging."""

    command = b"UNSELECT"


class NamespaceCommand(CommandNoArgs, CommandAuth):
    """RFC 2342: where the folders are."""

    command = b"NAMESPACE"


class OurCommands(Commands):
    """The parser. What breaks the engine's own is an invalid command, never an exception."""

    def __init__(self) -> None:
        super().__init__()
        self.register(UnselectCommand)
        self.register(NamespaceCommand)

    def parse(self, buf: memoryview, params: Params) -> tuple[Command, memoryview]:
        try:
            return super().parse(buf, params)
        except (ArithmeticError, LookupError, RecursionError, ValueError) as error:
            # A tag that can be read makes the answer one that the client can match.
            tag, _, rest = bytes(buf).lstrip(b" ").partition(b" ")
            name = rest.split(b" ", 1)[0].strip().upper()
            known = self.commands.get(name)
            problem = NotParseable(buf[0:0])
            problem.__cause__ = error
            return InvalidCommand(params.copy(tag=tag), problem, name, known), buf[0:0]


def _decode_name(encoded: bytes) -> str:
    try:
        return maildir.decode_name(encoded.decode("ascii"))
    except (maildir.BadFolderName, UnicodeDecodeError) as error:
        raise NotParseable(memoryview(encoded)) from error


# The engine's decoder of modified UTF-7 never returns for a shift that is not closed: one line, `a SELECT &a`, sent by
# anybody who can connect, would stop the whole process.
for _module in (engine_mailbox, engine_auth):
    vars(_module)["modutf7_decode"] = _decode_name
