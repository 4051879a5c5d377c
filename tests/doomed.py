"""A table whose rows are accepted until COMMIT, which refuses them."""

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from litemail.kit.db import Database
from tests.conftest import Databases

_STATEMENTS = (
    "CREATE TABLE doomed (id int)",
    """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'not at the end'; END $$""",
    """CREATE CONSTRAINT TRIGGER doom AFTER INSERT ON doomed DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION refuse()""",
    "GRANT ALL ON doomed TO litemail_app, litemail_system",
)


async def add_table(databases: Databases, database: Database) -> None:
    name = str(conninfo_to_dict(database.app_url)["dbname"])
    async with await AsyncConnection.connect(databases.cluster.url(database=name), autocommit=True) as connection:
        for statement in _STATEMENTS:
            await connection.execute(statement)
