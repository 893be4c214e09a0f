"""`inspectd demo`: the whole job from one command."""

from command import run_command

PARTS = 3


def test_demo_inspects_every_part() -> None:
    """Camera, shipped bundle, Modbus PLC and gate: one report on standard output, no part without verdict."""
    done = run_command("demo", "--parts", PARTS, "--json", timeout_s=200)
    assert done.status == 0, done.err
    report = done.report
    assert set(report) >= {
        "parts",
        "accepted",
        "rejected",
        "unknown",
        "escapes",
        "model_misses",
        "false_rejects",
        "missing",
        "latency_ms",
    }
    assert set(report["latency_ms"]) == {"p50", "p99"}
    assert report["parts"] == PARTS
    assert sum(report[key] for key in ("accepted", "rejected", "unknown", "missing")) == PARTS
    assert report["escapes"] == 0
    assert "Traceback" not in done.err


def test_demo_says_what_it_cannot_do() -> None:
    """More parts a second than the shipped station is made for: refused by the option's range."""
    assert run_command("demo", "--rate", 50).refuses(2, "--rate")
