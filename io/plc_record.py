"""What the PLC twin records of each part, and the counts over them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """One part: what it was, what the PLC knew of it, what the gate did and why. Times: s, monotonic."""

    part: int
    kind: str | None
    """Kind of its defect, None for a good part: known to the twin alone."""
    size: float
    """Longest extent of the defect over the button's diameter."""
    trig_id: int = 0
    """0: no id was issued (PLC off or starting, or free-running mode)."""
    epoch: int = 0
    recipe: int = 0
    encoder: int = 0
    """Encoder at the photo-eye, 0..2**32-1, of the PLC that decided; 0 where it was off."""
    decision: Literal["accepted", "rejected"]
    why: str
    """"" for an accepted part, else the clause of the gate that did not hold, `no_entry` or `plc_off`."""
    verdict: int = 0
    """Verdict in the PLC's copy that is this part's; 0: there was none at the gate."""
    reason: int = 0
    score_relative: int | None = None
    """SCORE of that verdict: relative to the threshold x 1000; None without one and in free-running mode."""
    result_id: int = 0
    """ID of the ring slot used: TRIG_ID, or RESULT_SEQ in free-running mode."""
    verdicts: tuple[tuple[int, int], ...] = ()
    """Every (verdict, reason) that stood under the part's id: at most one, if the agent keeps its word."""
    taken: int = 0
    """Verdict that the PLC took from word 39 as this part's; 0: none. The gate does not look at it."""
    eye_at: float
    issued_at: float | None = None
    """Scan that changed TRIG_ID."""
    verdict_at: float | None = None
    """First scan that saw a valid verdict of this part."""
    gate_at: float

    @property
    def accepted(self) -> bool:
        """True if the part went through."""
        return self.decision == "accepted"

    @property
    def missing(self) -> bool:
        """True if no verdict of this part was in the PLC when it came to the gate."""
        return self.verdict == 0

    def to_json(self) -> str:
        """Give one JSON object on one line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PartRecord:
        """Rebuild a record from its JSON object."""
        pairs = tuple((int(verdict), int(reason)) for verdict, reason in values.pop("verdicts"))
        return cls(**values, verdicts=pairs)


@dataclass(frozen=True, slots=True)
class PlcSummary:
    """Counts over records: `parts` = `accepted` + `rejected`; `missing` and `why` are parts of `rejected`."""

    parts: int
    accepted: int
    rejected: int
    missing: int
    why: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def of(cls, records: Iterable[PartRecord]) -> PlcSummary:
        """Count `records`."""
        kept = list(records)
        accepted = sum(record.accepted for record in kept)
        return cls(
            parts=len(kept),
            accepted=accepted,
            rejected=len(kept) - accepted,
            missing=sum(record.missing for record in kept),
            why=dict(Counter(record.why for record in kept if not record.accepted)),
        )
