"""What a database error means for whoever waits for an answer."""

import psycopg

from quilate.kit.database.database import RETRIED_ERRORS

_UNSTORABLE = (
    psycopg.errors.CharacterNotInRepertoire,
    psycopg.errors.UntranslatableCharacter,
    psycopg.errors.NumericValueOutOfRange,
    psycopg.errors.DatetimeFieldOverflow,
    psycopg.errors.StringDataRightTruncation,
)


DATABASE_ERROR: type[Exception] = psycopg.Error
"""Base of every error of a database."""

REFUSED_ERRORS: tuple[type[Exception], ...] = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,
)
"""The user may not do this, or nobody may: the database is a standby."""

SCHEMA_ERRORS: tuple[type[Exception], ...] = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
"""A table is not there, or not as it was made."""


def said_by(error: Exception) -> str:
    """Return the one line that the database said of an error."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return said or str(error).strip() or type(error).__name__


def is_passing(error: BaseException) -> bool:
    """Tell whether an error passes by itself: the server is away, or no connection is free."""
    return isinstance(error, RETRIED_ERRORS)


def is_unstorable_value(error: BaseException) -> bool:
    """Tell whether a value cannot be stored: a NUL in a text, a number out of range."""
    # The driver's own refusal of NUL is exactly this class; its subclasses are mostly faults of statements.
    return type(error) is psycopg.DataError or isinstance(error, _UNSTORABLE)
