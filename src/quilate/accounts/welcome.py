"""The page behind a one-time link: plain HTML that works without scripts, by keyboard and with a screen reader."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape

from quilate.accounts.passwords import LONGEST, SHORTEST, PasswordFault


class Language(StrEnum):
    """The languages of the page."""

    ENGLISH = "en"
    PORTUGUESE = "pt-BR"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    title: str
    introduction: str
    name: str
    email: str
    own_email: str
    password: str
    rule: str
    repeated: str
    submit: str
    void_title: str
    void: str
    done_title: str
    done: str
    wrong: str
    no_name: str
    no_email: str
    other_email: str
    differ: str
    taken: str
    busy: str
    faults: Mapping[PasswordFault, str]


_ENGLISH = _Texts(
    title="Welcome to Quilate",
    introduction="Choose how you log in. This link works once.",
    name="Name",
    email="E-mail address for which the link was made",
    own_email="Your e-mail address, with which you will log in",
    password="Password",  # noqa: S106 - a label
    rule=f"At least {SHORTEST} characters. A few words that you do not use elsewhere are good.",
    repeated="Password again",
    submit="Set up the account",
    void_title="This link does not open",
    void="It was used, has expired, or never was. Ask for a new one; for the first administrator, start Quilate again.",
    done_title="Your account is ready",
    done="You can log in with your e-mail address and your password now. You may close this page.",
    wrong="Something is to be corrected",
    no_name="Give a name.",
    no_email="Give an e-mail address like name@example.org.",
    other_email="The link was made for another e-mail address. Give the one to which it belongs.",
    differ="The two passwords differ.",
    taken="There is an administrator already. Ask them for an invitation.",
    busy="There is too much to do at the moment. Try again in a few seconds.",
    faults={fault: f"The password {fault.value}." for fault in PasswordFault},
)

_PORTUGUESE = _Texts(
    title="Boas-vindas ao Quilate",
    introduction="Escolha como você vai entrar. Este link funciona uma única vez.",
    name="Nome",
    email="Endereço de e-mail para o qual o link foi criado",
    own_email="Seu endereço de e-mail, com o qual você vai entrar",
    password="Senha",  # noqa: S106 - a label
    rule=f"Pelo menos {SHORTEST} caracteres. Algumas palavras que você não usa em outro lugar são uma boa escolha.",
    repeated="Repita a senha",
    submit="Criar a conta",
    void_title="Este link não abre",
    void="Ele já foi usado, expirou ou nunca existiu. Peça um novo; para o primeiro administrador, reinicie o Quilate.",
    done_title="Sua conta está pronta",
    done="Você já pode entrar com seu e-mail e sua senha. Pode fechar esta página.",
    wrong="Há algo a corrigir",
    no_name="Informe um nome.",
    no_email="Informe um endereço de e-mail como nome@exemplo.org.",
    other_email="O link foi criado para outro endereço de e-mail. Informe aquele ao qual ele pertence.",
    differ="As duas senhas são diferentes.",
    taken="Já existe um administrador. Peça um convite a ele.",
    busy="Há muito a fazer no momento. Tente de novo em alguns segundos.",
    faults={
        PasswordFault.TOO_SHORT: f"A senha tem menos de {SHORTEST} caracteres.",
        PasswordFault.TOO_LONG: f"A senha tem mais de {LONGEST} caracteres.",
        PasswordFault.REPETITIVE: "A senha repete poucos caracteres.",
        PasswordFault.COMMON: "A senha é uma das mais comuns.",
        PasswordFault.EMAIL: "A senha é feita do endereço de e-mail.",
    },
)

TEXTS: Mapping[Language, _Texts] = {Language.ENGLISH: _ENGLISH, Language.PORTUGUESE: _PORTUGUESE}

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:34rem;padding:2rem 1rem}"
    "label{display:block;font-weight:600;margin-top:1rem}"
    "input{box-sizing:border-box;font:inherit;padding:.5rem;width:100%}"
    "button{font:inherit;font-weight:600;margin-top:1.5rem;min-height:2.75rem;padding:.5rem 1.25rem}"
    "p.rule{margin:.25rem 0}"
    "[role=alert]{border-left:.4rem solid #b3261e;margin:1rem 0;padding:.25rem 1rem}"
)
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # The link's token is in the address; no other site may learn it.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a person has written into the form."""

    token: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    repeated: str = field(default="", repr=False)


def language_of(accept_language: str) -> Language:
    """Return the language that a browser likes better (RFC 9110, 12.5.4); English where it likes neither."""
    best, quality = Language.ENGLISH, 0.0
    for part in accept_language[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if primary in {"pt", "en"} and weight > quality:
            best, quality = Language.PORTUGUESE if primary == "pt" else Language.ENGLISH, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        weight = float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def form_page(language: Language, form: Form, *, first: bool, faults: tuple[str, ...] = ()) -> str:
    """Return the page with the form; passwords are never written back into it.

    Args:
        language: Of its texts.
        form: What was written into it.
        first: Whether it is the first administrator's, whose link was made for no address.
        faults: What is to be corrected.
    """
    texts = TEXTS[language]
    email = texts.own_email if first else texts.email
    alert = ""
    if faults:
        listed = "".join(f"<li>{escape(fault)}</li>" for fault in faults)
        alert = f'<div role="alert"><h2>{escape(texts.wrong)}</h2><ul>{listed}</ul></div>'
    body = (
        f"<h1>{escape(texts.title)}</h1><p>{escape(texts.introduction)}</p>{alert}"
        '<form method="post" action="/welcome">'
        f'<input type="hidden" name="token" value="{escape(form.token)}">'
        f'<label for="name">{escape(texts.name)}</label>'
        f'<input id="name" name="name" autocomplete="name" maxlength="200" required value="{escape(form.name)}">'
        f'<label for="email">{escape(email)}</label>'
        '<input id="email" name="email" type="email" autocomplete="username" maxlength="254" required '
        f'value="{escape(form.email)}">'
        f'<label for="password">{escape(texts.password)}</label>'
        f'<p class="rule" id="rule">{escape(texts.rule)}</p>'
        '<input id="password" name="password" type="password" autocomplete="new-password" aria-describedby="rule" '
        f'minlength="{SHORTEST}" maxlength="{LONGEST}" required>'
        f'<label for="repeated">{escape(texts.repeated)}</label>'
        '<input id="repeated" name="repeated" type="password" autocomplete="new-password" '
        f'minlength="{SHORTEST}" maxlength="{LONGEST}" required>'
        f'<button type="submit">{escape(texts.submit)}</button></form>'
    )
    return _page(language, texts.wrong if faults else texts.title, body)


def void_page(language: Language) -> str:
    """Return the page of a link that does not open."""
    texts = TEXTS[language]
    return _page(language, texts.void_title, f"<h1>{escape(texts.void_title)}</h1><p>{escape(texts.void)}</p>")


def done_page(language: Language) -> str:
    """Return the page after the account was set up."""
    texts = TEXTS[language]
    return _page(language, texts.done_title, f"<h1>{escape(texts.done_title)}</h1><p>{escape(texts.done)}</p>")


def _page(language: Language, title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{language.value}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Quilate</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
