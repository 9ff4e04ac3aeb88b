"""What the garbage collector need not look at.

A full collection looks at every object that can be in a cycle, and holds the event loop for as long as that takes. Most
of them a process has from its start and until its end: modules, messages' descriptors, and what it was told first.
"""

from __future__ import annotations

import gc


def freeze_lasting() -> None:
    """Has the garbage collector pass by all that there is now, from here on.

    For whoever composes a process, once, when it has come up. What is frozen is freed as ever when nothing refers to
    it; only a cycle of it that is let go of later stays until the process ends. That is bounded by what there was at
    this moment, which is little: connections and tasks of the start. Cycles that are made later are found as ever.
    """
    gc.collect()  # else garbage of the start would stay
    gc.freeze()
