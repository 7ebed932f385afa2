"""Cases that several connectors share say what they compared when they fail."""

import pytest

pytest.register_assert_rewrite(
    "tests.connectors.catalogs.contract",
    "tests.connectors.forges.cases_of_comments",
    "tests.connectors.forges.cases_of_errors",
    "tests.connectors.forges.cases_of_people",
    "tests.connectors.forges.cases_of_statuses",
    "tests.connectors.forges.contract",
)
