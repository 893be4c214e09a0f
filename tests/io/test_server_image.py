"""The image that the agent serves: what counts as a complete write, and what it says about time."""

from __future__ import annotations

from inspectd.io.plc import PLC_WORDS, PlcImage, plc_words_torn
from inspectd.io.server_image import UNPROVEN, ServerImage, WriteRound

TRIG_ID, CONTROL, AGAIN = 2, 1, 31


def plc_words(trig_id: int = 5, heartbeat: int = 1) -> list[int]:
    return PlcImage(heartbeat=heartbeat, trig_id=trig_id, plc_epoch=7).pack()


class Writer:
    """One connection: each request arrives a second after the answer to the one before."""

    def __init__(self, image: ServerImage, now: float = 100.0) -> None:
        self.image = image
        self.now = now
        self.round = WriteRound()

    def write(self, start: int, words: list[int]) -> None:
        self.now += 1.0
        self.image.write(self.round, start, words, composed_after=self.now - 1.0, at=self.now)


def test_one_request_is_a_poll_from_the_answer_before_it_to_its_arrival() -> None:
    image = ServerImage()
    Writer(image).write(0, plc_words())
    image.put(32, [4711] * 100)
    (poll,) = image.take()
    assert (poll.started, poll.ended) == (100.0, 101.0)
    assert poll.words == plc_words() + [4711] * 20
    assert image.take() == []


def test_every_write_since_the_last_call_is_given_in_order() -> None:
    """No id is passed over because the agent looked later, and none seems older than it is."""
    image = ServerImage()
    writer = Writer(image)
    for trig_id in (5, 6, 7):
        writer.write(0, plc_words(trig_id))
    assert [(poll.words[TRIG_ID], poll.started) for poll in image.take()] == [
        (5, 100.0),
        (6, 101.0),
        (7, 102.0),
    ]


def test_a_write_that_nothing_was_answered_before_is_not_used() -> None:
    """Nobody knows how long it was under way: a connection may take seconds to come about."""
    image = ServerImage()
    image.write(WriteRound(), 0, plc_words(), composed_after=UNPROVEN, at=5.0)
    assert image.take() == []
    assert image.unproven == 1
    assert image.silence(5.0)


def test_pieces_are_a_poll_once_word_31_is_written() -> None:
    """It lasts from the answer before the first piece: the id may have been taken then."""
    image = ServerImage()
    writer = Writer(image)
    words = plc_words(9)
    for number in range(PLC_WORDS):
        assert image.take() == []
        writer.write(number, words[number : number + 1])
    (poll,) = image.take()
    assert list(poll.words[:PLC_WORDS]) == words
    assert (poll.started, poll.ended) == (100.0, 132.0)


def test_word_31_alone_completes_nothing() -> None:
    image = ServerImage()
    writer = Writer(image)
    writer.write(0, plc_words())
    image.take()
    writer.write(AGAIN, [5])
    assert image.take() == []


def test_an_id_that_changes_under_way_is_torn_and_the_next_round_is_whole() -> None:
    """Word 2 of the next round does not complete it: what lies between is still the part before's."""
    image = ServerImage()
    writer = Writer(image)
    writer.write(0, plc_words(5)[:20])
    writer.write(20, [*plc_words(5)[20:31], 6])
    (torn,) = image.take()
    assert plc_words_torn(torn.words)
    writer.write(0, plc_words(6)[:20])
    assert image.take() == []
    writer.write(20, plc_words(6)[20:])
    (poll,) = image.take()
    assert not plc_words_torn(poll.words)
    assert poll.started == 102.0


def test_a_whole_request_does_not_wait_for_pieces_left_over() -> None:
    image = ServerImage()
    writer = Writer(image)
    writer.write(0, [3])
    writer.write(0, plc_words(5))
    (poll,) = image.take()
    assert poll.started == 101.0


def test_pieces_of_two_connections_make_no_round() -> None:
    image = ServerImage()
    one, other = Writer(image), Writer(image)
    one.write(0, plc_words()[:16])
    other.write(16, plc_words()[16:])
    assert image.take() == []


def test_a_coil_changes_control_at_once_and_proves_nothing_about_time() -> None:
    """The poll that tells of it bears the times of the last complete write."""
    image = ServerImage()
    writer = Writer(image)
    writer.write(0, plc_words(5))
    image.write_control(3, [True], composed_after=1000.0)
    image.write_control(0, [True, False], composed_after=1000.0)
    before, first, second = image.take()
    assert [poll.words[CONTROL] for poll in (before, first, second)] == [0, 8, 9]
    assert {(poll.started, poll.ended) for poll in (before, first, second)} == {(100.0, 101.0)}
    assert image.answer(CONTROL, 1) == [9]


def test_a_coil_before_the_first_write_is_no_poll() -> None:
    image = ServerImage()
    image.write_control(0, [True], composed_after=1000.0)
    assert image.take() == []
    assert image.answer(CONTROL, 1) == [1]


def test_a_coil_does_not_bring_a_half_written_round_in() -> None:
    image = ServerImage()
    writer = Writer(image)
    writer.write(0, plc_words(5))
    image.take()
    writer.write(2, [6, 2])
    image.write_control(0, [True], composed_after=1000.0)
    (poll,) = image.take()
    assert (poll.words[TRIG_ID], poll.words[3], poll.words[CONTROL]) == (5, 0, 1)


def test_silence_is_500_ms_without_a_complete_write() -> None:
    """Pieces, torn rounds and coils do not count as being heard."""
    image = ServerImage()
    writer = Writer(image)
    writer.write(0, plc_words())
    assert image.silence(101.5) == ""
    writer.write(0, plc_words()[:31])
    image.write_control(0, [True], composed_after=1000.0)
    writer.write(31, [6])
    assert "500 ms" in image.silence(101.501)


def test_what_nobody_takes_is_bounded() -> None:
    """An agent that stands still finds the newest writes."""
    image = ServerImage()
    writer = Writer(image)
    for count in range(1000):
        writer.write(0, plc_words(1 + count))
    assert [poll.words[TRIG_ID] for poll in image.take()] == list(range(745, 1001))


def test_the_last_read_is_that_of_what_was_put_last() -> None:
    image = ServerImage()
    image.answer(32, 100)
    image.put(32, [0] * 100)
    assert not image.await_read(0.0)
    image.answer(40, 10)
    assert not image.await_read(0.0)
    image.answer(32, 100)
    assert image.await_read(0.0)


def test_news_are_told_at_once_and_no_more_than_news() -> None:
    """A new id, another CONTROL or epoch: not a heartbeat, an encoder, or half a round."""
    image = ServerImage()
    told: list[int] = []
    image.call_at_news(lambda: told.append(1))
    writer = Writer(image)
    writer.write(0, plc_words(5))
    assert len(told) == 1
    writer.write(0, plc_words(5, heartbeat=2))
    writer.write(0, plc_words(6)[:20])
    assert len(told) == 1
    writer.write(20, plc_words(6)[20:])
    image.write_control(0, [True], composed_after=1000.0)
    writer.write(0, PlcImage(trig_id=6, plc_epoch=8).pack())
    assert len(told) == 4
