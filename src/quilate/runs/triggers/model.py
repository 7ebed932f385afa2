"""What an event from outside said about the run that it began."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Kept with a run and read by connectors; only a verified event makes one, never a caller's own words.

    Attributes:
        provider: ``github``, ``gitlab``, ``bitbucket``, ``gitea``, ``mlflow``, ``cloudevents``, …
        event_id: The event's number in the service.
        kind: ``push``, ``pull_request``, ``tag``, ``release``, ``merge_group``, ``model_version``, …
        repository: Its full name at the provider, such as ``owner/name``.
        clone_url: Where it is cloned from.
        commit: The commit that is judged.
        branch: The branch that the commit is on, without ``refs/heads/``.
        tag: The tag, for tags and releases.
        pull_request: Number of the pull or merge request.
        base_branch: The branch that the request wants to be merged into.
        base_commit: That branch's commit as the event told it.
        from_fork: The commit comes from another repository: the run gets no secrets.
        sender: Who caused it, at the provider.
    """

    provider: str
    event_id: str = ""
    kind: str = ""
    repository: str = ""
    clone_url: str = ""
    commit: str = ""
    branch: str = ""
    tag: str = ""
    pull_request: int | None = None
    base_branch: str = ""
    base_commit: str = ""
    from_fork: bool = False
    sender: str = ""
