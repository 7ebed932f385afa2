"""No secret and no personal datum is left in a masked text (A12, A13)."""

import pytest

from quilate.kit.masking import LONGEST_TEXT, MASK, is_cnpj, is_cpf, mask_text, mask_value


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://quilate:hunter2@db:5432/q", "hunter2"),
        ("https://token@github.com/a/b", "token@"),
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("got Basic dXNlcjpwYXNz from them", "dXNlcjpwYXNz"),
        ('{"password": "hunter2", "a": 1}', "hunter2"),
        ("api_key=abc123&x=1", "abc123"),
        ("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIi"),
        ("ql_0123456789_" + "ab" * 32, "abababab"),
        ("ghp_" + "a1" * 18, "a1a1"),
        ("mail ana.silva+x@example.com.br now", "ana.silva"),
        ("cpf 529.982.247-25", "529.982"),
        ("cpf 52998224725.", "52998224725"),
        ("cnpj 11.222.333/0001-81", "11.222"),
        ("cnpj 11222333000181", "11222333"),
        ("cnpj 12.ABC.345/01DE-35", "12.ABC"),
        ("cnpj 12ABC34501DE35", "12ABC"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "MIIEvQ"),
    ],
)
def test_secrets_and_personal_data_are_masked(text: str, secret: str) -> None:
    masked = mask_text(text)

    assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "run 0190163d-8694-739b-aea5-966c26f8ad91 decided FAIL in 12345 ms",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "12345678901 rows in 1700000000000 ms",
        "https://example.org/a/b?c=d",
        "",
    ],
)
def test_what_operators_need_stays(text: str) -> None:
    assert mask_text(text) == text


def test_a_value_under_a_secrets_name_is_gone_whole() -> None:
    event = {
        "user": {"password": "x", "email": "a", "ids": [1, "ana@example.org"], "cpf": 52998224725},
        "blob": b"secret",
        "ok": True,
        "none": None,
        "error": ValueError("for ana@example.org"),
    }

    assert mask_value("event", event) == {
        "user": {"password": MASK, "email": MASK, "ids": [1, MASK], "cpf": MASK},
        "blob": "6 bytes",
        "ok": True,
        "none": None,
        "error": f"for {MASK}",
    }


def test_depth_and_length_are_bounded() -> None:
    deep: object = "x"
    for _ in range(50):
        deep = [deep]

    assert MASK in str(mask_value("a", deep))
    assert len(mask_text("a " * LONGEST_TEXT)) == LONGEST_TEXT


def test_check_digits() -> None:
    assert is_cpf("52998224725")
    assert not is_cpf("52998224724")
    assert not is_cpf("11111111111")
    assert is_cnpj("12ABC34501DE35")
    assert not is_cnpj("12ABC34501DE36")
