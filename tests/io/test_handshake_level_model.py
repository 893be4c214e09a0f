"""The level handshake whatever happens: one verdict per part, and no ACCEPT but the very part's own."""

from __future__ import annotations

from handshake_level_model import LevelModel
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.plc import Control, Verdict

GOOD = ("part", 0)
VERDICTS = st.sampled_from([Verdict.ACCEPT, Verdict.ACCEPT, Verdict.REJECT, Verdict.UNKNOWN])
steps = st.one_of(
    st.tuples(st.just("cycle"), st.integers(1, 100)),
    st.tuples(st.just("scan"), st.integers(0, 3)),
    st.tuples(st.just("scan"), st.integers(0, 3)),
    st.tuples(st.just("part"), st.integers(0, 3)),
    st.tuples(st.just("judge"), st.integers(-4, 20)),
    st.tuples(st.just("lost"), st.integers(0, 1)),
    st.tuples(st.just("new_id"), st.sampled_from([0, 1, 1, 2, 5, 20, 65500])),
    st.tuples(st.just("trigger"), st.just(0)),
    st.tuples(st.just("drop"), st.just(0)),
    st.tuples(st.just("result_ack"), st.integers(0, 1)),
    st.tuples(st.just("ack_seq"), st.integers(0, 30)),
    st.tuples(st.just("half_poll"), st.just(0)),
    st.tuples(st.just("recipe"), st.integers(1, 3)),
    st.tuples(st.just("buffer"), st.integers(0, 1)),
    st.tuples(st.just("restart_plc"), st.sampled_from([0, 1, 7, 65535])),
    st.tuples(st.just("restart_agent"), st.just(0)),
)


def run(model: LevelModel, kind: str, value: int, verdict: Verdict) -> None:  # noqa: C901, PLR0912  a table
    """Let one thing happen."""
    match kind:
        case "cycle":
            model.cycle(value / 1000)
        case "scan":
            model.scan(acks=bool(value & 1), heeds=not value & 2)
        case "part":
            good_part(model, verdict, acks=bool(value & 1), ends=bool(value & 2))
        case "judge":
            model.judge(value, verdict)
        case "lost":
            model.cycle(lost=True, arrives=bool(value))
        case "new_id":
            model.new_part(value)
        case "trigger":
            model.raise_trigger()
        case "drop":
            model.set(drop=Control.TRIGGER)
        case "result_ack":
            bit = Control.RESULT_ACK
            model.set(bit) if value else model.set(drop=bit)
        case "ack_seq":
            model.set(ack_seq=value)
        case "half_poll":
            model.half_poll()
        case "recipe":
            model.set(recipe=value)
        case "buffer":
            bit = Control.BUFFER_RESULTS
            model.set(bit) if value else model.set(drop=bit)
            model.cycle()  # a PLC changes it only while it waits for nothing
        case "restart_plc":
            model.restart(value)
        case _:
            model.start_agent()


def good_part(model: LevelModel, verdict: Verdict, *, acks: bool, ends: bool) -> None:
    """Take a part through the handshake, if both sides are ready; not to its end unless `ends`."""
    model.cycle()
    model.scan(acks=acks)
    for _ in range(2):
        model.cycle()
    model.scan(acks=acks)
    model.cycle()
    model.judge(-1, verdict)
    if ends:
        model.scan(acks=acks)
        model.cycle()
        model.scan(acks=acks)
        model.cycle()


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([1, 100, 65530, 65535]),
    st.integers(0, 1),
    st.lists(st.tuples(steps, VERDICTS), max_size=40),
)
def test_no_result_is_taken_for_another_parts(
    first_id: int, buffering: int, script: list[tuple[tuple[str, int], Verdict]]
) -> None:
    """Any order of triggers, acknowledgements, lost writes, restarts, ids, recipes and verdicts."""
    model = LevelModel(first_id, buffering=bool(buffering))
    for (kind, value), verdict in script:
        run(model, kind, value, verdict)
    # Whatever went before: once both sides keep to the handshake, the line goes on.
    model.set(drop=Control.TRIGGER | Control.RESULT_ACK, recipe=1, version=1)
    before = model.accepted
    for _ in range(40):
        good_part(model, Verdict.ACCEPT, acks=True, ends=True)
        if model.accepted > before:
            break
    assert model.accepted > before
