"""Does a verified statement say what a trust asks for.

Names of claims: GitHub, "OpenID Connect reference" (docs.github.com/actions/reference/security/oidc); GitLab, "OpenID
Connect (OIDC) Authentication Using ID Tokens" (docs.gitlab.com/ci/secrets/id_token_authentication).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from quilate.accounts.oidc.verification import audiences_of
from quilate.accounts.trusts.model import IDENTIFYING, LONGEST_VALUE, Binding, Match, Provider, Trust, TrustWish

MOST_WILDCARDS = 2
_WILDCARD = re.compile(r"\*+")
_GITHUB_REQUESTS = frozenset(
    {
        "pull_request",
        "pull_request_target",
        "pull_request_review",
        "pull_request_review_comment",
    }
)
_GITLAB_REQUESTS = frozenset({"merge_request_event", "external_pull_request_event"})


def binding_fault(wish: TrustWish) -> str | None:
    """Return what is wrong with the bindings of a trust, ``None`` where nothing is."""
    identifying = IDENTIFYING[wish.provider]
    names = [binding.claim for binding in wish.bindings]
    if not identifying & set(names):
        return f"the bindings name none of {', '.join(sorted(identifying))}, so that anybody could come"
    if len(set(names)) != len(names):
        return "the bindings name a claim twice"
    for binding in wish.bindings:
        wildcards = _WILDCARD.findall(binding.value)
        if binding.match is not Match.GLOB:
            continue
        if len(wildcards) > MOST_WILDCARDS or any(len(each) > MOST_WILDCARDS for each in wildcards):
            return f"the value of {binding.claim} has more than {MOST_WILDCARDS} wildcards"
        if binding.claim in identifying and "/" not in binding.value.partition("*")[0]:
            return f"the wildcard of {binding.claim} begins before the owner has ended, so that anybody could come"
    return None


def matches(trust: Trust, claims: Mapping[str, Any]) -> bool:
    """Tell whether a verified statement is one that the trust takes."""
    wish = trust.wish
    if claims.get("iss") != wish.issuer or wish.audience not in audiences_of(claims):
        return False
    if is_of_request(wish.provider, claims) and not wish.pull_requests:
        return False
    return all(_holds(binding, claims) for binding in wish.bindings)


def is_of_request(provider: Provider, claims: Mapping[str, Any]) -> bool:
    """Tell whether a statement comes from a pull or merge request: anybody may have written what ran there."""
    subject = str(claims.get("sub", ""))
    if provider is Provider.GITHUB:
        return (
            claims.get("event_name") in _GITHUB_REQUESTS
            or subject.endswith(":pull_request")
            or str(claims.get("ref", "")).startswith("refs/pull/")
            or bool(claims.get("head_ref"))
        )
    if provider is Provider.GITLAB:
        return claims.get("pipeline_source") in _GITLAB_REQUESTS or str(claims.get("ref", "")).startswith(
            "refs/merge-requests/"
        )
    return False


def claim_text(value: Any) -> str | None:
    """Return a claim as the text that bindings are compared with, ``None`` where it is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        text = str(value)
        return text if len(text) <= LONGEST_VALUE else None
    return None


def _holds(binding: Binding, claims: Mapping[str, Any]) -> bool:
    said = claim_text(claims.get(binding.claim))
    if said is None:
        return False
    if binding.match is Match.EXACT:
        return said == binding.value
    return _pattern(binding.value).fullmatch(said) is not None


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """Return a glob as an expression: ``*`` stays within a part between slashes, ``**`` does not."""
    parts = re.split(r"(\*{1,2})", glob)
    meanings = {"*": r"[^/]*", "**": r".*"}
    return re.compile("".join(meanings.get(part) or re.escape(part) for part in parts), re.DOTALL)
