"""Checking the chains: whether each record is what was written, and follows the one it followed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kea_auth.audit.chain import chains
from kea_auth.audit.record import NOTHING
from kea_auth.audit.search import Log
from kea_auth.audit.segment import Walk, segment_numbers, segment_path, walk

SECONDS = 1.0
"""How long is checked for one page; at least a segment is."""
UNFINISHED_SECONDS = 0.5
"""How long another process may take to finish the record it is writing."""
MISSING = "the segments before it are missing"
UNCLOSED = "it has no foot, and yet another follows"
NOT_FOLLOWING = "it does not go on from the end of the segment before"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far it has been checked."""

    chain: str
    segment: int
    hash: bytes
    """What the next segment must go on from."""

    def __str__(self) -> str:
        return f"{self.chain}:{self.segment}:{self.hash.hex()}"


def read_checkpoint(text: str) -> Checkpoint:
    """Returns the checkpoint that a text stands for.

    Raises:
        ValueError: it stands for none.
    """
    chain, segment, digest = text.split(":")
    return Checkpoint(chain, int(segment), bytes.fromhex(digest))


@dataclass(frozen=True, slots=True)
class Checked:
    """A segment that was checked."""

    chain: str
    walk: Walk
    problem: str
    offset: int


@dataclass(frozen=True, slots=True)
class Report:
    """What one check has found."""

    segments: tuple[Checked, ...]
    next: Checkpoint | None
    """Where to go on; None: there is no more."""


def verify(
    found: Log,
    after: Checkpoint | None,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Checks the next segments."""
    until = monotonic() + SECONDS
    checked: list[Checked] = []
    for chain in chains(found.directory):
        if after is not None and chain.name < after.chain:
            continue
        last = after if after is not None and after.chain == chain.name else None
        for number in segment_numbers(chain):
            if last is not None and number <= last.segment:
                continue
            if checked and monotonic() > until:
                return Report(tuple(checked), last or Checkpoint(chain.name, 0, NOTHING))
            try:
                seen = _settled(found, chain, number, sleep)
            except FileNotFoundError:  # its time has come meanwhile, and all before it too
                continue
            problem, offset = _problem(chain, seen, last)
            checked.append(Checked(chain.name, seen, problem, offset))
            last = Checkpoint(chain.name, number, seen.hash or NOTHING)
        missing = _missing_end(found, chain, last)
        if missing is not None:
            checked.append(missing)
    return Report(tuple(checked), None)


def _problem(chain: Path, seen: Walk, last: Checkpoint | None) -> tuple[str, int]:
    """Returns what is wrong with a segment, and where."""
    if seen.problem:
        return seen.problem, seen.end
    if not _is_first(chain, seen) if last is None else seen.number != last.segment + 1:
        return MISSING, 0
    if last is not None and seen.previous != last.hash:
        return NOT_FOLLOWING, 0
    if not seen.closed and segment_path(chain, seen.number + 1).exists():
        return UNCLOSED, seen.end
    return "", 0


def _is_first(chain: Path, seen: Walk) -> bool:
    """Whether a segment may be the first: of all, or of those that were kept, as the chain itself says."""
    if seen.number == 1:
        return seen.previous == NOTHING
    for number in reversed(segment_numbers(chain)):
        said = walk(segment_path(chain, number)).retired
        if said is not None:
            # Those that are told to be gone may still be there where the process was killed in between.
            return seen.number <= int(said["through"]) or (
                seen.number == int(said["through"]) + 1 and seen.previous.hex() == said["hash"]
            )
    return False


def _settled(found: Log, chain: Path, number: int, sleep: Callable[[float], None]) -> Walk:
    """Goes through a segment; one that another process is writing may have an unfinished end for a moment."""
    limit = found.limit(chain, number)
    path = segment_path(chain, number)
    seen = walk(path, limit=limit)
    if seen.torn and limit is None:
        sleep(UNFINISHED_SECONDS)
        seen = walk(path)
    return seen


def _missing_end(found: Log, chain: Path, last: Checkpoint | None) -> Checked | None:
    """Returns what is wrong where the segment that this process writes is not there any more."""
    numbers = segment_numbers(chain)
    position = found.written(chain)
    if position is None or position.segment in numbers or (last is not None and last.segment >= position.segment):
        return None
    return Checked(chain.name, Walk(position.segment), "it is missing", 0)
