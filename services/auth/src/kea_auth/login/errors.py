"""What can go wrong with users and their sessions."""

from __future__ import annotations

from kea_core.errors import AlreadyExists, FieldViolation, InvalidArgument, NotFound, ResourceExhausted


class UserNotFound(NotFound):
    """There is no such user."""

    reason = "USER_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class UserExists(AlreadyExists):
    """There is such a user already."""

    reason = "USER_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is there already", name=name)


class UserReserved(InvalidArgument):
    """KEA comes with the user of that id."""

    reason = "USER_RESERVED"

    def __init__(self, user: str) -> None:
        description = f"is {user!r}, whom KEA comes with; expected another"
        super().__init__(f"user_id {description}", violations=[FieldViolation("user_id", description)], user=user)


class UsersExhausted(ResourceExhausted):
    """There are as many users as there may be."""

    reason = "USERS_EXHAUSTED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} users; delete some first", limit=str(limit))


class UserFederated(InvalidArgument):
    """The user's groups and e-mail address are what an identity provider says, and it has no password here."""

    reason = "USER_FEDERATED"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} comes from an identity provider, where this is to be changed", name=name)


class LoginRefused(Exception):
    """Somebody cannot log in.

    Args:
        problem: why, for them.
        rule: why, for the audit log: words of ours, never of theirs.
    """

    def __init__(self, problem: str, rule: str = "") -> None:
        super().__init__(problem)
        self.rule = rule


class TryLater(Exception):
    """Somebody cannot log in now.

    Args:
        problem: why, for them.
        seconds: after how long it may be tried again.
        limited: whether that is because they have tried too often.
    """

    def __init__(self, problem: str, seconds: int = 5, *, limited: bool = False) -> None:
        super().__init__(problem)
        self.seconds = seconds
        self.limited = limited
