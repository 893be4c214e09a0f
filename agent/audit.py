"""What a line let through, held against the truth: escapes, model misses, false rejects.

An escape is a part that the PLC accepted although it was never judged, or although its own frame, judged
offline, is not ACCEPT. A defective part whose own frame is judged good is a model miss: another thing, and
counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from inspectd.io.plc import Verdict
from inspectd.io.plc_record import PartRecord


@dataclass(frozen=True, slots=True)
class Audit:
    """Counts of parts; parts = accepted + rejected + unknown + missing.

    `unknown` are parts that the gate rejected on an UNKNOWN, `missing` those without a verdict at the gate,
    `rejected` all others that it rejected. `false_rejects` are the good ones among the three.
    """

    parts: int
    accepted: int
    rejected: int
    unknown: int
    missing: int
    escapes: int
    model_misses: int
    false_rejects: int


def audit(records: Iterable[PartRecord], own_verdict: Callable[[int], Verdict]) -> Audit:
    """Hold the gate's record against the truth; `own_verdict` judges a part's own frame offline."""
    kept = list(records)
    accepted = [record for record in kept if record.accepted]
    stopped = [record for record in kept if not record.accepted]
    escaped = [
        record
        for record in accepted
        if record.verdict != Verdict.ACCEPT or own_verdict(record.part) is not Verdict.ACCEPT
    ]
    unknown = sum(record.verdict == Verdict.UNKNOWN for record in stopped)
    missing = sum(record.missing for record in stopped)
    return Audit(
        parts=len(kept),
        accepted=len(accepted),
        rejected=len(stopped) - unknown - missing,
        unknown=unknown,
        missing=missing,
        escapes=len(escaped),
        model_misses=sum(record.kind is not None for record in accepted if record not in escaped),
        false_rejects=sum(record.kind is None for record in stopped),
    )
