"""A database that has worked for long: a finished run, as the engine left it, copied by SQL with ids of its own.

The copies hold every row that the run has left behind: run, submission, preparation, decision and one attempt for each
check. Their ids are version 7 UUIDs spread over this month, so that new attempts go into the partition that the old
ones fill.
"""

import psycopg
from psycopg.sql import SQL, Composed, Identifier

_TABLES = (
    ("runs", "id"),
    ("run_submissions", "run_id"),
    ("run_preparations", "run_id"),
    ("decisions", "run_id"),
    ("check_attempts", "run_id"),
)

_IDS = SQL("""
CREATE UNLOGGED TABLE copies AS
SELECT (
    lpad(to_hex((extract(epoch FROM date_trunc('month', now()) + (now() - date_trunc('month', now())) * n / {number})
        * 1000)::bigint), 12, '0')
    || '7' || substr(md5(n::text), 1, 3) || 'a' || substr(md5(n::text), 4, 15)
)::uuid AS id
FROM generate_series(1, {number}) AS n
""")

_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""

_TEMPLATE = "SELECT id FROM runs WHERE status = 'succeeded' ORDER BY id DESC LIMIT 1"


def fill(url: str, number: int) -> None:
    """Copy the last finished run so many times, and let the server know its tables as after long work.

    Raises:
        LookupError: No run has finished yet.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        # A crash here only ends the benchmark: the copies alone need not be durable at once.
        connection.execute("SET synchronous_commit = off")
        row = connection.execute(_TEMPLATE).fetchone()
        if row is None:
            raise LookupError("no run has finished")
        connection.execute(_IDS.format(number=number))
        for table, key in _TABLES:
            connection.execute(_copy(connection, table, key), row)
        connection.execute("DROP TABLE copies")
        for table, _ in _TABLES:
            connection.execute(SQL("VACUUM (ANALYZE) {}").format(Identifier(table)))
        connection.execute("CHECKPOINT")


def _copy(connection: psycopg.Connection, table: str, key: str) -> Composed:
    columns = [name for (name,) in connection.execute(_COLUMNS, (table,)).fetchall() if name != key]
    names = SQL(", ").join(map(Identifier, columns))
    values = SQL(", ").join(SQL("t.{}").format(Identifier(name)) for name in columns)
    return SQL(
        "INSERT INTO {table} ({key}, {names}) SELECT c.id, {values} FROM copies AS c CROSS JOIN {table} AS t "
        "WHERE t.{key} = %s"
    ).format(table=Identifier(table), key=Identifier(key), names=names, values=values)


def finished(url: str) -> int:
    """Return how many finished runs the database holds."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM runs WHERE step IS NULL").fetchone()
    return int(row[0]) if row is not None else 0
