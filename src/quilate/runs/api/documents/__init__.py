"""Documents of runs over HTTP: checks, evidence, artifacts, decisions, seals."""
