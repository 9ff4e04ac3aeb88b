"""The reasons of conditions: stable words that programs may act on. What KEA's API refuses has the API's own reason."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """Why a condition is as it is."""

    # Of both kinds.
    API_AWAY = "API_AWAY"
    """KEA's API does not answer; it is tried again."""
    API_REFUSED = "API_REFUSED"
    """KEA's API refuses without a reason of its own."""
    CONFLICT = "CONFLICT"
    """What the resource wants to manage is somebody else's."""
    DELETING = "DELETING"
    """The resource is deleted; what it made is taken down."""
    SPEC_INVALID = "SPEC_INVALID"
    """A field of the spec cannot be used."""
    PROJECT_CHANGED = "PROJECT_CHANGED"
    """The namespace is of another project than when the resource was first seen."""

    # Of what an MLModel points at.
    FETCHED = "FETCHED"
    """It was fetched."""
    FETCHING = "FETCHING"
    """It is being fetched."""
    FRAMEWORK_UNSUPPORTED = "FRAMEWORK_UNSUPPORTED"
    """Models of this framework cannot be served."""
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    """The signature cannot be used, or none can be read."""
    SOURCE_REFUSED = "SOURCE_REFUSED"
    """The address is none that is fetched."""
    SOURCE_UNREACHABLE = "SOURCE_UNREACHABLE"
    """The store does not answer, or answers nonsense."""
    SOURCE_NOT_FOUND = "SOURCE_NOT_FOUND"
    """There is nothing at the address."""
    SOURCE_FORBIDDEN = "SOURCE_FORBIDDEN"
    """The store wants other credentials."""
    SOURCE_TOO_LARGE = "SOURCE_TOO_LARGE"
    """It has more bytes than are taken."""
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    """It is not what `spec.sha256` says."""
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    """The Secret is not there, or may not be read."""
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    """The Secret's entries are not credentials."""
    ARTIFACT_INVALID = "ARTIFACT_INVALID"
    """It is no model, or no archive that can be unpacked."""
    ENTRYPOINT_UNKNOWN = "ENTRYPOINT_UNKNOWN"
    """Which of its files is the model is not known."""

    WORKSPACE_FAILED = "WORKSPACE_FAILED"
    """The operator cannot keep it where it is looked at; most likely there is no room."""

    # Of an MLModel's version.
    VERSION_READY = "VERSION_READY"
    """The registry has it."""
    VERSION_PENDING = "VERSION_PENDING"
    """It is about to be made."""
    MODEL_IN_USE = "MODEL_IN_USE"
    """MLDeployments refer to it, so it is not deleted."""

    # Of an MLDeployment.
    MODEL_MISSING = "MODEL_MISSING"
    """There is no MLModel of that name in the namespace."""
    MODEL_NOT_READY = "MODEL_NOT_READY"
    """The MLModel has no version yet."""
    MODEL_READY = "MODEL_READY"
    """The version is known."""
    DEPLOYMENT_COMING = "DEPLOYMENT_COMING"
    """The deployment of the version does not serve yet."""
    DEPLOYMENT_SERVING = "DEPLOYMENT_SERVING"
    """The deployment of the version serves."""
    DEPLOYMENT_IDLE = "DEPLOYMENT_IDLE"
    """The deployment of the version is there, and no replica is wanted."""
    ENDPOINT_PENDING = "ENDPOINT_PENDING"
    """The endpoint does not lead to the version yet."""
    ENDPOINT_PUBLISHED = "ENDPOINT_PUBLISHED"
    """All requests of the endpoint go to the version."""
    SERVING = "SERVING"
    """All is as the resource says."""
