"""The routes of the source document as they stand: ``POST /pipelines/run`` and what completes it."""
