"""The profile that DATA_PROFILING keeps (C14): statistics of plain columns, no value of sensitive ones."""

import json
from decimal import Decimal

import polars as pl

from quilate.checks.data.profiles.columns import profile_column
from quilate.kit.canonical import decimal_text


def test_numbers_are_described() -> None:

    profile = profile_column(pl.Series("v", ["1", "2", "3", "4", None]), Decimal(3))
    document = profile.document(hide_values=False)
    assert (document["type"], document["missing"], document["distinct"]) == ("integer", 1, 4)
    assert document["statistics"]["mean"] == 2.5
    assert document["statistics"]["q50"] == 2.5
    assert decimal_text(profile.missing_ratio) == "0.2"


def test_values_of_hidden_columns_stay_out() -> None:

    profile = profile_column(pl.Series("v", ["secret", "secret", "other"]), Decimal(3))
    assert profile.document(hide_values=False)["top_values"][0] == {"value": "secret", "count": 2}
    assert "secret" not in json.dumps(profile.document(hide_values=True))
