"""The blueprints of a project in the service: drafts, immutable published versions, comparison and what-if."""
