"""What a diagnosis says of a PLC that is wired or programmed wrongly: each fault by name, with its remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plc_wiring_bench import BASE, BenchPlc, settings

from inspectd.io.errors import PlcError
from inspectd.io.plc import Control
from inspectd.io.plc_diagnosis import Diagnosis, count_words
from inspectd.io.plc_finding import Finding, Outcome, percentile
from inspectd.io.plc_trouble import Told, Trouble


def diagnose(plc: BenchPlc, **changes: object) -> Diagnosis:
    diagnosis = Diagnosis(settings(**changes), plc, {1, 2}, plc.clock, plc.sleep)
    assert list(diagnosis.run()) == diagnosis.findings
    assert not plc.written, "a diagnosis writes nothing"
    return diagnosis


def the_failure(plc: BenchPlc, **changes: object) -> Finding:
    """The one finding that failed."""
    failures = [each for each in diagnose(plc, **changes).findings if each.outcome is Outcome.FAILED]
    assert len(failures) == 1, failures
    assert failures[0].remedy
    return failures[0]


def finding(plc: BenchPlc, step: str, **changes: object) -> Finding:
    return next(each for each in diagnose(plc, **changes).findings if each.step == step)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """Every step passes, and all of them are there."""
    diagnosis = diagnose(BenchPlc())
    assert {each.outcome for each in diagnosis.findings} == {Outcome.PASSED}
    assert len(diagnosis.findings) == 12
    assert diagnosis.located
    assert not diagnosis.failed
    assert not diagnosis.agent_beats


def swap_bytes(words: list[int], _now: float) -> list[int]:
    return [(word & 0xFF) << 8 | word >> 8 for word in words]


def test_swapped_bytes_are_told() -> None:
    """VERSION then reads 256, in the right place."""
    failure = the_failure(BenchPlc(spoil=swap_bytes))
    assert failure.step == "VERSION"
    assert "high and low byte of each word are swapped: VERSION is 256" in failure.text
    assert "swap the bytes of every word" in failure.remedy


@pytest.mark.parametrize("shift", [-8, -2, -1, 1, 2, 8])
def test_an_image_beside_its_place_is_found(shift: int) -> None:
    """The address that would be right is named, and nothing may be written until it is."""
    plc = BenchPlc(lies_at=BASE + shift)
    failure = the_failure(plc)
    assert failure.remedy == f"set plc.base_address to {BASE + shift}, not {BASE}"
    assert not diagnose(plc).located


def test_both_mistakes_at_once_are_told_at_once() -> None:
    failure = the_failure(BenchPlc(lies_at=BASE + 1, spoil=swap_bytes))
    assert "begins 1 word later" in failure.text
    assert "byte of each word are swapped" in failure.text
    assert f"{BASE + 1}, not {BASE}" in failure.remedy


def test_a_base_at_the_first_register_is_not_looked_for_below_it() -> None:
    plc = BenchPlc(lies_at=1, base=0)
    assert the_failure(plc, base_address=0).remedy == "set plc.base_address to 1, not 0"


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_is_told(version: int) -> None:
    """No image of version 1 lies near: the program is another one, or none."""
    plc = BenchPlc(spoil=lambda words, _: [*words[:7], version, *words[8:]])
    failure = the_failure(plc)
    assert f"VERSION (word 7) is {version}, not 1" in failure.text
    assert "plc.base_address" in failure.remedy
    assert "PLC program" in failure.remedy


def with_plc(**fields: object) -> BenchPlc:
    """A PLC that always shows these values in words 0 to 31."""
    plc = BenchPlc()
    plc.spoil = lambda words, _: replace(plc.plc(), **fields).pack() + words[32:]  # pyright: ignore[reportArgumentType]  any field
    return plc


def with_words(**words: int) -> BenchPlc:
    """A PLC that always shows these words: w31=5."""
    places = {int(name[1:]): value for name, value in words.items()}
    return BenchPlc(spoil=lambda image, _: [places.get(n, word) for n, word in enumerate(image)])


WRONG: dict[str, tuple[BenchPlc, str, str]] = {
    "no heartbeat": (with_plc(heartbeat=9), "PLC heartbeat", "stood at 9 for 1"),
    "heartbeat far too slow": (BenchPlc(beat_s=0.7), "PLC heartbeat", "takes the PLC for lost"),
    "no second TRIG_ID": (with_words(w31=0), "TRIG_ID twice", "word 31 is 0 in every poll"),
    "bits in the high byte": (with_words(w1=0x0100), "CONTROL", "its bits stand in the high byte"),
    "unknown recipe": (with_plc(recipe=700), "RECIPE", "RECIPE (word 3) is 700, for which"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_the_words_is_told(name: str) -> None:
    """One step fails, and says what it saw."""
    plc, step, told = WRONG[name]
    failure = the_failure(plc)
    assert (failure.step, told in failure.text) == (step, True), failure


def test_an_epoch_of_0_is_no_failure_before_an_agent_answers() -> None:
    """The generated block waits for the answer; whether the PLC then takes an epoch, the trial says."""
    told = finding(with_plc(plc_epoch=0), "PLC_EPOCH")
    assert (told.outcome, "waits for an agent" in told.text) == (Outcome.WARNED, True), told


def test_an_epoch_that_does_not_stay_is_told() -> None:
    """It would void the parts on the belt with each change."""
    plc = BenchPlc(spoil=lambda words, now: [*words[:8], 5 + int(now / 0.3), *words[9:]])
    assert "changed while the PLC ran" in the_failure(plc).text


def swap_double_words(words: list[int], _now: float) -> list[int]:
    return [*words[:4], words[5], words[4], *words[6:10], words[11], words[10], *words[12:]]


def test_double_words_in_the_other_order_are_told() -> None:
    """ENCODER_NOW then moves in what should be its high word."""
    failure = the_failure(BenchPlc(spoil=swap_double_words))
    assert failure.step == "double words"
    assert "jumps by 65536" in failure.text


def test_the_order_of_words_cannot_be_seen_while_the_belt_stands() -> None:
    stands = finding(with_plc(encoder_now=5), "double words")
    assert stands.outcome is Outcome.SKIPPED
    assert "run the belt" in stands.remedy


WORRYING: dict[str, tuple[BenchPlc, str, str]] = {
    "slow heartbeat": (BenchPlc(beat_s=0.3), "PLC heartbeat", "too slow"),
    "SetOffline": (with_plc(control=Control.SET_OFFLINE | 1), "CONTROL", "SetOffline is set"),
    "no TriggerEnable": (with_plc(control=Control(0)), "CONTROL", "TriggerEnable is not set"),
    "bits without a name": (with_words(w1=0x8001), "CONTROL", "0x8000 mean nothing"),
    "S7 string": (with_words(w12=0x1006), "SERIAL and LOT", "SERIAL begins with the two length bytes"),
    "no ASCII": (with_words(w21=0xFF41), "SERIAL and LOT", "LOT holds"),
}


@pytest.mark.parametrize("name", WORRYING)
def test_what_works_but_is_not_by_the_contract_is_a_warning(name: str) -> None:
    """Nothing fails by it, but it is told with its remedy."""
    plc, step, told = WORRYING[name]
    seen = finding(plc, step)
    assert (seen.outcome, told in seen.text, bool(seen.remedy)) == (Outcome.WARNED, True, True), seen


def test_a_part_never_sent_has_no_recipe_yet() -> None:
    plc = with_plc(recipe=0, trig_id=0)
    assert finding(plc, "RECIPE").outcome is Outcome.SKIPPED


def test_some_torn_polls_are_told_and_single_ones_are_not() -> None:
    def tearing(part: float) -> BenchPlc:
        return BenchPlc(
            spoil=lambda words, now: [*words[:31], words[2] + (now % 0.1 < 0.1 * part), *words[32:]]
        )

    assert finding(tearing(0.3), "TRIG_ID twice").outcome is Outcome.WARNED
    assert finding(tearing(0.05), "TRIG_ID twice").outcome is Outcome.PASSED


# --- the link --------------------------------------------------------------------------------------------


def test_a_connection_that_fails_ends_the_diagnosis_with_its_remedy() -> None:
    told = Told(Trouble.REFUSED, "nothing listens", "switch it on")
    plc = BenchPlc()

    def refuse() -> None:
        raise PlcError(f"there: {told}", told)

    plc.connect = refuse
    assert diagnose(plc).findings == [
        Finding("connection", Outcome.FAILED, "there: nothing listens", "switch it on")
    ]


@pytest.mark.parametrize(
    ("registers", "told"),
    [
        (range(BASE + 100), "only words 0 to 99 can be read"),
        (range(BASE + 1), "only words 0 to 0 can be read"),
        (range(BASE), "not even word 0 can be read"),
    ],
)
def test_a_block_that_is_too_short_is_measured(registers: range, told: str) -> None:
    failure = the_failure(BenchPlc(registers=registers))
    assert failure.text.startswith(told)
    assert "plc.base_address" in failure.remedy


@pytest.mark.parametrize("shift", [-2, -1])
def test_an_image_that_is_all_there_is_found_beside_its_place(shift: int) -> None:
    """A PLC with just these 132 words ends before the last ones asked for: it is not too short."""
    image = range(BASE + shift, BASE + shift + 132)
    failure = the_failure(BenchPlc(lies_at=image.start, registers=image))
    assert failure.remedy == f"set plc.base_address to {image.start}, not {BASE}"


def test_a_slow_link_is_told_where_it_makes_triggers_too_old() -> None:
    slow = BenchPlc(request_s=0.03)
    assert "30.0 ms" in finding(slow, "round trip").text
    assert finding(slow, "round trip").outcome is Outcome.WARNED
    too_slow = finding(slow, "round trip", max_trigger_age_ms=34.0)
    assert too_slow.outcome is Outcome.FAILED
    assert "up to 35.0 ms old" in too_slow.text
    free = finding(slow, "round trip", mode="free_running")
    assert free.outcome is Outcome.FAILED


def test_an_answer_that_is_lost_is_a_warning() -> None:
    """The connection is made anew, and the other polls count."""
    plc = BenchPlc()
    read, fails = plc.read, [300]

    def read_sometimes(start: int, count: int) -> list[int]:
        fails[0] -= 1
        if fails[0] == 250:
            plc.connected = False
            raise PlcError("lost")
        return read(start, count)

    plc.read = read_sometimes
    lost = finding(plc, "answers")
    assert lost.outcome is Outcome.WARNED
    assert "1 of " in lost.text
    assert "lost" in lost.text


def test_an_agent_that_beats_is_seen() -> None:
    """Word 32 moves: whoever would write here is told to stop."""
    plc = BenchPlc()
    plc.spoil = lambda words, now: [*words[:32], int(now / 0.1), *words[33:]]
    assert diagnose(plc).agent_beats


def test_words_are_counted_as_far_as_they_are_there() -> None:
    for there in range(8):
        assert count_words(7, range(there).__contains__) == min(there, 7)


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
    assert percentile([], 50) == 0.0
