"""The policy language: text to tree, tree against vocabulary, tree over facts to a decision tree.

``parse`` → ``check`` → ``evaluate``. Total by construction: whatever the text, the only error is ``PolicyError``;
whatever the facts, evaluation answers true, false or unknown and raises nothing.
"""

from quilate.policy.language.checker import NamesRead, check, names_read
from quilate.policy.language.errors import PolicyError, PolicyErrors
from quilate.policy.language.evaluator import evaluate
from quilate.policy.language.parser import parse
from quilate.policy.language.syntax import Expression

__all__ = ["Expression", "NamesRead", "PolicyError", "PolicyErrors", "check", "evaluate", "names_read", "parse"]
