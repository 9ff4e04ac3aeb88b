"""What can go wrong between KEA and Kubernetes."""

from __future__ import annotations

from http import HTTPStatus


class KubernetesError(Exception):
    """A call of the Kubernetes API did not succeed."""


class KubernetesAway(KubernetesError):
    """The API server does not answer; it is asked again."""


class KubernetesRefused(KubernetesError):
    """The API server refuses.

    Args:
        status: HTTP status.
        reason: Kubernetes' own word, such as `Forbidden` or `Conflict`.
        message: Kubernetes' own sentence.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def gone(self) -> bool:
        """Whether what was asked for is not there (any more)."""
        return self.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
