"""The ledger: exactly one verdict for each part, and none after the deadline."""

import threading
from collections import Counter

from inspectd.agent.ledger import Ledger, OpenPart
from inspectd.agent.verdict import InForce

IN_FORCE = InForce(1, "button", "b", "d")


def part(part_id: int, deadline: float = 10.0) -> OpenPart:
    return OpenPart(part_id, part_id, 1, IN_FORCE, 0.0, 0.0, 1.0, deadline)


def test_first_verdict_wins() -> None:
    """A part can be settled once; the second finds nothing."""
    ledger = Ledger(16)
    ledger.open(part(1))
    assert ledger.settle(1, now=1.0) is not None
    assert ledger.settle(1, now=1.0) is None


def test_late_result_is_discarded() -> None:
    """Past the deadline a result settles nothing; the part is left for expiry, which gives it UNKNOWN/21."""
    ledger = Ledger(16)
    ledger.open(part(1, deadline=2.0))
    assert ledger.settle(1, now=2.5) is None
    assert [late.part_id for late in ledger.expire(2.5)] == [1]
    assert ledger.expire(2.5) == []


def test_expire_leaves_parts_in_time() -> None:
    """Only parts past their own deadline expire."""
    ledger = Ledger(16)
    ledger.open(part(1, deadline=2.0))
    ledger.open(part(2, deadline=3.0))
    assert [late.part_id for late in ledger.expire(2.5)] == [1]
    assert ledger.is_open(2)


def test_overflow_gives_up_the_oldest() -> None:
    """More parts in flight than the ring has slots: the oldest are handed back, none is forgotten."""
    ledger = Ledger(2)
    assert ledger.open(part(1)) == []
    assert ledger.open(part(2)) == []
    assert [old.part_id for old in ledger.open(part(3))] == [1]
    assert len(ledger) == 2


def test_threads_never_settle_a_part_twice() -> None:
    """Threads that settle, expire and drop at once get every part exactly once between them."""
    ledger = Ledger(10_000)
    for number in range(3000):
        ledger.open(part(number, deadline=0.0 if number % 3 == 0 else 10.0))
    settled: list[int] = []
    lock = threading.Lock()

    def settle() -> None:
        mine = [number for number in range(3000) if ledger.settle(number, now=1.0) is not None]
        with lock:
            settled.extend(mine)

    def expire() -> None:
        mine = [late.part_id for late in ledger.expire(1.0)]
        with lock:
            settled.extend(mine)

    threads = [threading.Thread(target=work) for work in (settle, expire, settle, expire)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled += [dropped.part_id for dropped in ledger.drop_all()]
    assert Counter(settled) == Counter(range(3000))
