"""The law that every scenario is held against, judged from what the PLC did and what the agent wrote down."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from inspectd.agent.audit import Audit, audit
from inspectd.io.buttons import part_truth
from inspectd.io.plc import Reason, Verdict
from tests.system.line_options import DEFECT_RATE, SEED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inspectd.agent.record import Row
    from inspectd.io.plc_record import PartRecord
    from tests.system.line_rig import LineRig

DETAILS_LOST = "published, details lost"
NO_ENTRY = "no_entry"
"""Why the gate rejects a part that the PLC never triggered, or lost when it restarted."""
Key = tuple[int, int]


def is_good(part: int) -> bool:
    """Whether a part has no defect."""
    return part_truth(SEED, part, DEFECT_RATE).kind is None


def own_verdict(part: int) -> Verdict:
    """What the oracle says of a part's own frame."""
    return Verdict.ACCEPT if is_good(part) else Verdict.REJECT


def parts_of(*, good: bool, start: int, count: int) -> list[int]:
    """Give the first parts from `start` on that are good, or defective."""
    found = (part for part in range(start, start + 1000) if is_good(part) is good)
    return [next(found) for _ in range(count)]


def named_in_plc(record: PartRecord) -> Key | None:
    """Give epoch and number by which a verdict of this part stood in the PLC; None: there was no number."""
    number = record.trig_id or record.result_id
    return (record.epoch, number) if number else None


def named_in_row(row: Row) -> Key | None:
    """Give epoch and number by which a row names its part to the PLC."""
    number = row.get("trig_id") or row.get("result_seq")
    return (int(row["epoch"]), int(number)) if number else None


def escapes(rig: LineRig) -> list[PartRecord]:
    """Give the parts that were accepted though never judged, or though their own frame is not ACCEPT."""
    rows = {named_in_row(row): row for row in rig.rows()}
    return [
        record
        for record in rig.plc.records
        if record.accepted and not _rightly_accepted(record, rows.get(named_in_plc(record)))
    ]


def _rightly_accepted(record: PartRecord, row: Row | None) -> bool:
    if record.verdict != Verdict.ACCEPT or own_verdict(record.part) is not Verdict.ACCEPT or row is None:
        return False
    if row.get("detail") == DETAILS_LOST:
        return row["verdict"] == "ACCEPT"
    score = row.get("score")
    judged = row.get("image") == f"part {record.part}" and isinstance(score, float) and math.isfinite(score)
    return judged and row["verdict"] == "ACCEPT"


def assert_lawful(rig: LineRig, contested: int = 0) -> Audit:
    """Hold the law: no escape, at most one verdict for an id at the PLC, exactly one row for each id.

    Where two agents wrote at once, so many ids may have been given a verdict by either.

    Ids that the agent could not see need no row, see `seen_by_agent`.
    """
    rows = rig.rows()
    assert not escapes(rig), f"escapes: {escapes(rig)}\n{rig.logs()}"
    twice = [record for record in rig.plc.records if len(record.verdicts) > 1]
    assert len(twice) <= contested, f"ids with more than one verdict: {twice}\n{rig.logs()}"
    named = Counter(key for row in rows if (key := named_in_row(row)) is not None)
    unrecorded = [record for record in seen_by_agent(rig) if named_in_plc(record) not in named]
    assert not unrecorded, f"ids without a row:\n{told(unrecorded)}\n{rig.logs()}"
    repeated = {key: count for key, count in named.items() if count > 1}
    assert not repeated, f"ids with several rows: {repeated}\n{rig.logs()}"
    part_ids = Counter(row["part"] for row in rows if "part" in row)
    assert max(part_ids.values(), default=0) <= 1, f"part ids used twice: {part_ids.most_common(3)}"
    assert not accepted_late(rig)
    result = audit(rig.plc.records, own_verdict)
    assert result.escapes == result.model_misses == 0
    return result


def accepted_late(rig: LineRig) -> list[Row]:
    """Give the rows that say ACCEPT of a part past its deadline."""
    judged = (row for row in rig.rows() if row["verdict"] == "ACCEPT" and "latency_ms" in row)
    return [row for row in judged if row["latency_ms"] > rig.options.deadline_ms]


def held_up(rig: LineRig) -> list[PartRecord]:
    """Give the parts that a busy machine held up.

    Their trigger was seen too late, or in free-running mode their position was not certain, or with the level
    handshake the PLC could not trigger them yet.
    """
    level = rig.options.plc.get("handshake") == "level"
    unplaced = {row.get("image") for row in rig.rows() if row["reason"] == Reason.POSITION_UNTRUSTED}
    return [
        record
        for record in rig.plc.records
        if Reason(record.reason) is Reason.TRIGGER_LATE
        or f"part {record.part}" in unplaced
        or (level and record.why == NO_ENTRY and not record.trig_id)
    ]


def assert_right(rig: LineRig, unknown: dict[int, Reason], busy: int = 4) -> None:
    """Every part has its right verdict, and these parts UNKNOWN with their reasons.

    At most `busy` parts may have been held up.
    """
    late = held_up(rig)
    wrong = [
        record
        for record in rig.plc.records
        if record not in late and (record.verdict, record.reason) != expected_of(record.part, unknown)
    ]
    assert not wrong, f"expected {unknown}\n{told(wrong)}\n{rig.logs()}"
    assert len(late) <= busy, told(late)


def expected_of(part: int, unknown: dict[int, Reason]) -> tuple[Verdict, Reason]:
    """Give verdict and reason of a part."""
    if part in unknown:
        return Verdict.UNKNOWN, unknown[part]
    return (Verdict.ACCEPT, Reason.NONE) if is_good(part) else (Verdict.REJECT, Reason.OVER_THRESHOLD)


def seen_by_agent(rig: LineRig) -> list[PartRecord]:
    """Give the parts with a number in the PLC that the agent could see.

    Where the PLC restarted, it could not see the ids that were issued before it was back, nor the last one
    before the power went, if no poll came in between.
    """
    rows = {named_in_row(row) for row in rig.rows()}
    by_epoch: dict[int, list[PartRecord]] = {}
    for record in rig.plc.records:
        if named_in_plc(record) is not None:
            by_epoch.setdefault(record.epoch, []).append(record)
    seen: list[PartRecord] = []
    for number, issued in enumerate(by_epoch.values(), start=1):
        first = next((at for at, one in enumerate(issued) if named_in_plc(one) in rows), len(issued))
        power_went = number < len(by_epoch) and named_in_plc(issued[-1]) not in rows
        seen += issued[first if number > 1 else 0 : len(issued) - power_went]
    return seen


def assert_recovered(rig: LineRig, since: int) -> None:
    """Good parts from `since` on are accepted again, all but one or two and those that were held up."""
    later = [record for record in rig.plc.records if record.part >= since]
    good = [record for record in later if record.kind is None]
    accepted = sum(record.accepted for record in good)
    late = [record for record in held_up(rig) if record in good]
    assert len(good) >= 10, "too few parts to tell"
    assert accepted >= 0.4 * len(good), f"{accepted} of {len(good)} good parts accepted\n{told(later)}"
    assert len(good) - len(late) - accepted <= 2, f"parts are rejected that were not held up\n{told(later)}"


def told(records: Iterable[PartRecord]) -> str:
    """Give one line for each part, for the message of a failed test."""
    return "\n".join(
        f"part {one.part} id {one.trig_id or one.result_id} {one.kind or 'good'}: {one.decision} "
        f"({one.why}), verdicts {one.verdicts}"
        for one in records
    )
