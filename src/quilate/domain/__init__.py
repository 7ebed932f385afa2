"""The words of the product: identifiers, verdicts, severities, subjects, errors. Standard library only."""
