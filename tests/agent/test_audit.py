"""What a line let through, held against the truth."""

import pytest

from inspectd.agent.audit import audit
from inspectd.io.plc import Verdict
from inspectd.io.plc_record import PartRecord


def record(part: int, *, accepted: bool, verdict: Verdict, kind: str | None = None) -> PartRecord:
    return PartRecord(
        part=part,
        kind=kind,
        size=0.0,
        decision="accepted" if accepted else "rejected",
        why="" if accepted else "clause",
        verdict=int(verdict),
        eye_at=0.0,
        gate_at=1.0,
    )


def good(_part: int) -> Verdict:
    return Verdict.ACCEPT


def bad(_part: int) -> Verdict:
    return Verdict.REJECT


ESCAPES = {
    "never judged": (record(1, accepted=True, verdict=Verdict.NONE), good, 1),
    "accepted against its verdict": (record(1, accepted=True, verdict=Verdict.REJECT), good, 1),
    "accepted on UNKNOWN": (record(1, accepted=True, verdict=Verdict.UNKNOWN), good, 1),
    "its own frame is not ACCEPT": (record(1, accepted=True, verdict=Verdict.ACCEPT), bad, 1),
    "rightly accepted": (record(1, accepted=True, verdict=Verdict.ACCEPT), good, 0),
    "rejected": (record(1, accepted=False, verdict=Verdict.REJECT, kind="scratch"), bad, 0),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_escape_is_an_accepted_part_that_was_not_rightly_judged(name: str) -> None:
    """Accepted without a verdict, against it, or by another part's frame."""
    part, own_verdict, escapes = ESCAPES[name]
    assert audit([part], own_verdict).escapes == escapes


def test_defect_that_the_model_takes_for_good_is_no_escape() -> None:
    """A model miss is counted apart, and not again where the part escaped."""
    missed = record(1, accepted=True, verdict=Verdict.ACCEPT, kind="chip")
    assert (audit([missed], good).escapes, audit([missed], good).model_misses) == (0, 1)
    assert (audit([missed], bad).escapes, audit([missed], bad).model_misses) == (1, 0)


def test_every_part_is_counted_once() -> None:
    """Accepted, rejected, unknown and missing are all parts; false rejects are the good ones stopped."""
    parts = [
        record(1, accepted=True, verdict=Verdict.ACCEPT),
        record(2, accepted=False, verdict=Verdict.REJECT, kind="stain"),
        record(3, accepted=False, verdict=Verdict.REJECT),
        record(4, accepted=False, verdict=Verdict.UNKNOWN),
        record(5, accepted=False, verdict=Verdict.NONE),
        record(6, accepted=False, verdict=Verdict.ACCEPT),
    ]
    result = audit(parts, good)
    assert (result.accepted, result.rejected, result.unknown, result.missing) == (1, 3, 1, 1)
    assert result.parts == result.accepted + result.rejected + result.unknown + result.missing
    assert result.false_rejects == 4
