"""Statements that other issuers sign: their keys and their verification."""
