"""The page behind a one-time link: without scripts, in two languages, for everybody (A12)."""

from html.parser import HTMLParser

import pytest

from quilate.accounts.bootstrap import first_admin_link
from quilate.accounts.passwords import PasswordFault
from quilate.accounts.welcome import TEXTS, Language, language_of
from tests.support.accounts import BASE_URL, PASSWORD, AccountsSite, token_of


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


async def _link(site: AccountsSite) -> str:
    link = await first_admin_link(site.database, BASE_URL)
    assert link is not None
    return link


@pytest.mark.asyncio
async def test_the_page_is_accessible_and_lets_nothing_in_or_out(site: AccountsSite) -> None:
    async with site.client() as client:
        answer = await client.get(await _link(site))
    assert answer.status_code == 200
    page = _Page(answer.text)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("main")) == len(page.all("h1")) == len(page.all("title")) == 1
    labelled = {label["for"] for label in page.all("label")}
    visible = [each for each in page.all("input") if each.get("type") != "hidden"]
    assert {each["id"] for each in visible} == labelled
    assert all(each["autocomplete"] for each in visible)
    assert page.all("script") == page.all("link") == page.all("img") == []
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.asyncio
async def test_the_form_sets_up_the_account_in_the_readers_language(site: AccountsSite) -> None:
    link = await _link(site)
    form = {"token": token_of(link), "name": "Ana", "email": "ana@example.org", "password": "curta", "repeated": "x"}
    portuguese = {"Accept-Language": "pt-BR,pt;q=0.9,en;q=0.5"}
    async with site.client() as client:
        first = await client.get(link, headers=portuguese)
        assert 'lang="pt-BR"' in first.text
        refused = await client.post("/welcome", data=form, headers=portuguese)
        assert refused.status_code == 422
        assert "A senha tem menos de 12 caracteres." in refused.text
        assert "As duas senhas são diferentes." in refused.text
        assert "curta" not in refused.text
        page = _Page(refused.text)
        assert {"name": "Ana", "email": "ana@example.org"}.items() <= {
            each["name"]: each.get("value") for each in page.all("input")
        }.items()
        good = {**form, "password": PASSWORD, "repeated": PASSWORD}
        done = await client.post("/welcome", data=good, headers=portuguese)
        assert done.status_code == 200
        assert "Sua conta está pronta" in done.text
        again = await client.post("/welcome", data=good)
        assert again.status_code == 410
        assert "does not open" in again.text
        assert (await client.get(link)).status_code == 410
    await site.login("ana@example.org")


@pytest.mark.asyncio
async def test_a_mistyped_address_is_told_and_the_link_still_opens(site: AccountsSite) -> None:
    admin = await site.first_admin()
    link = (await site.call("POST", "/users", by=admin, body={"email": "ana@example.org"})).json()["link"]
    form = {"token": token_of(link), "name": "Ana", "email": "aan@example.org", "password": PASSWORD}
    async with site.client() as client:
        slip = await client.post("/welcome", data={**form, "repeated": PASSWORD})
        assert slip.status_code == 422
        assert "made for another e-mail address" in slip.text
        assert "does not open" not in slip.text
        assert PASSWORD not in slip.text
        refused = await site.call("POST", "/auth/setup", body=form)
        assert refused.status_code == 410
        assert "give the address that it was made for" in refused.json()["next_step"]
        done = await client.post("/welcome", data={**form, "email": "ana@example.org", "repeated": PASSWORD})
        assert done.status_code == 200
    await site.login("ana@example.org")


@pytest.mark.asyncio
async def test_only_a_link_made_for_an_address_asks_for_that_one(site: AccountsSite) -> None:
    link = await _link(site)
    portuguese = {"Accept-Language": "pt-BR"}
    async with site.client() as client:
        first = (await client.get(link)).text
        refused = (await client.post("/welcome", data={"token": token_of(link), "name": "Ana"})).text
        translated = (await client.get(link, headers=portuguese)).text
    for shown in (first, refused):
        assert "Your e-mail address, with which you will log in" in shown
        assert "for which the link was made" not in shown
    assert "Seu endereço de e-mail, com o qual você vai entrar" in translated
    await site.set_up(link, "ana@example.org")
    admin = await site.login("ana@example.org")
    invited = await site.call("POST", "/users", by=admin, body={"email": "bia@example.org"})
    async with site.client() as client:
        shown = (await client.get(invited.json()["link"])).text
        translated = (await client.get(invited.json()["link"], headers=portuguese)).text
    assert "E-mail address for which the link was made" in shown
    assert "para o qual o link foi criado" in translated


@pytest.mark.asyncio
async def test_hostile_forms_are_shown_as_text_or_refused(site: AccountsSite) -> None:
    link = await _link(site)
    form = {"token": token_of(link), "name": '"><script>alert(1)</script>', "email": "<x>", "password": "x"}
    async with site.client() as client:
        refused = await client.post("/welcome", data=form)
        assert refused.status_code == 422
        assert "<script>" not in refused.text
        many = [f"f{number}={number}" for number in range(50)]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await client.post("/welcome", content="&".join(many), headers=headers)).status_code in {400, 410}
        assert (await client.post("/welcome", content=b"x" * 100_000, headers=headers)).status_code == 413
        assert (await client.post("/welcome", content=b"%00=%00&token=%ff%00", headers=headers)).status_code == 410
        assert (await client.post("/welcome", json=form)).status_code == 415
        assert (await client.get("/welcome")).status_code == 410
        assert (await client.get("/welcome?token=%00")).status_code == 410
        assert (await client.get("/welcome?token=" + "x" * 3000)).status_code == 422


def test_both_languages_say_everything() -> None:
    for texts in TEXTS.values():
        assert set(texts.faults) == set(PasswordFault)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", Language.ENGLISH),
        ("de", Language.ENGLISH),
        ("pt", Language.PORTUGUESE),
        ("en;q=0.3, pt-PT;q=0.7", Language.PORTUGUESE),
        ("en, pt;q=0.9", Language.ENGLISH),
        ("pt;q=nonsense", Language.ENGLISH),
        ("pt;q=0", Language.ENGLISH),
        ("pt;q=9" + "," * 5000, Language.ENGLISH),
    ],
)
def test_the_reader_chooses_the_language(header: str, language: Language) -> None:
    assert language_of(header) is language
