"""Policies: the language, the decision it leads to, and the explanation."""
