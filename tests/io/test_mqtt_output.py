"""Reports to a real broker: what is said, and that a broker that is gone, frozen or mute disturbs nobody."""

import gc
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from mqtt_broker import Broker, Listener
from output_bench import RUNNING, free_port, verdict_on, wait_for

from inspectd.io.errors import DeviceError
from inspectd.io.mqtt_output import MOST_IN_FLIGHT, MqttOutput
from inspectd.io.opcua_certificate import own_certificate
from inspectd.io.output_settings import MqttSettings
from inspectd.io.plc_codes import FaultCode, Verdict

TOPIC = "plant/press-3"
Made = Callable[..., MqttOutput]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, "allow_anonymous true")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker.port, TOPIC)
    listener.await_subscribed()
    yield listener
    listener.stop()


@pytest.fixture
def made() -> Iterator[Made]:
    outputs: list[MqttOutput] = []

    def make(port: int, **changes: object) -> MqttOutput:
        settings = {"kind": "mqtt", "host": "127.0.0.1", "port": port, "topic": TOPIC, "reconnect_max_s": 1}
        outputs.append(MqttOutput(MqttSettings.model_validate(settings | changes), "press-3"))
        outputs[-1].start()
        return outputs[-1]

    yield make
    for output in outputs:
        output.stop()


def up(output: MqttOutput) -> MqttOutput:
    wait_for(lambda: output.status().healthy)
    return output


def test_verdicts_and_retained_status(broker: Broker, listener: Listener, made: Made) -> None:
    """Each verdict as it is recorded, in order, once; the status stays for whoever comes later."""
    output = up(made(broker.port))
    output.state(RUNNING)
    wait_for(listener.statuses)
    for part in range(1, 51):
        output.verdict(verdict_on(part, Verdict.REJECT if part % 2 else Verdict.ACCEPT))
    output.state(replace(RUNNING, busy=True))  # no news to this report
    output.state(replace(RUNNING, fault=FaultCode.CAMERA_LOST))
    wait_for(lambda: len(listener.statuses()) >= 2 and len(listener.verdicts()) == 50)
    assert listener.verdicts() == list(range(1, 51))
    assert next(heard for heard in listener.heard if heard[0] == "verdict") == (
        "verdict",
        verdict_on(1, Verdict.REJECT).record,
        False,
    )
    first, second = listener.statuses()
    assert (first["state"], first["connected"], first["recipe_in_force"]) == ("Operational", True, 7)
    assert (second["state"], second["fault"]["name"]) == ("Error", "CAMERA_LOST")
    later = Listener(broker.port, TOPIC)
    wait_for(later.statuses)
    assert later.heard == [("status", second, True)]
    later.stop()


def test_stop_says_good_bye(broker: Broker, listener: Listener, made: Made) -> None:
    """What waited is sent first; the retained status is no longer that of a running station."""
    output = up(made(broker.port))
    output.state(RUNNING)
    output.verdict(verdict_on(1))
    output.stop()
    wait_for(lambda: listener.statuses() and not listener.statuses()[-1]["connected"])
    assert listener.verdicts() == [1]
    assert (listener.statuses()[-1]["state"], listener.statuses()[-1]["why"]) == (
        "Halted",
        "the agent was stopped",
    )


def test_agent_that_vanishes_leaves_its_last_will(broker: Broker, listener: Listener) -> None:
    """A killed agent cannot say good-bye: the broker says it."""
    code = (
        "import sys, time\n"
        "from output_bench import RUNNING, wait_for\n"
        "from inspectd.io.mqtt_output import MqttOutput\n"
        "from inspectd.io.output_settings import MqttSettings\n"
        "settings = MqttSettings(kind='mqtt', host='127.0.0.1', port=int(sys.argv[1]), topic=sys.argv[2])\n"
        "output = MqttOutput(settings, 'press-3')\n"
        "output.start()\n"
        "output.state(RUNNING)\n"
        "time.sleep(60)\n"
    )
    agent = subprocess.Popen(
        [sys.executable, "-c", code, str(broker.port), TOPIC],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    try:
        wait_for(lambda: listener.statuses() and listener.statuses()[-1]["connected"])
    finally:
        agent.kill()
        agent.wait()
    wait_for(lambda: not listener.statuses()[-1]["connected"])
    assert listener.statuses()[-1]["why"] == "connection lost"


def test_broker_that_dies_and_comes_back(
    broker: Broker, listener: Listener, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdicts of the time between arrive when it is back, and so does the status that it had forgotten."""
    output = up(made(broker.port))
    output.state(RUNNING)
    output.verdict(verdict_on(1))
    wait_for(lambda: listener.verdicts() == [1])
    broker.kill()
    wait_for(lambda: not output.status().healthy)
    listener.await_lost()
    assert str(broker.port) in output.status().detail
    for part in range(2, 12):
        output.verdict(verdict_on(part))
    with monkeypatch.context() as patch:
        # A broker keeps nothing for a listener that has not come back yet.
        patch.setattr("inspectd.io.mqtt_output.MOST_IN_FLIGHT", 0)
        broker.start()
        up(output)
        listener.await_subscribed()
    output.verdict(verdict_on(12))
    wait_for(lambda: set(listener.verdicts()) == set(range(1, 13)) and len(listener.statuses()) >= 2)
    assert output.status().dropped == 0


def test_frozen_broker_costs_the_oldest_verdicts_and_nobody_waits(
    broker: Broker, listener: Listener, made: Made
) -> None:
    """What the queue cannot hold is dropped and counted; the rest arrives when the broker goes on."""
    output = up(made(broker.port, queue=10, keepalive_s=60))
    broker.signal(signal.SIGSTOP)
    begun = time.monotonic()
    for part in range(1, 1001):
        output.verdict(verdict_on(part))
    assert time.monotonic() - begun < 2.0, "the caller was held up"
    dropped = output.status().dropped
    assert dropped >= 1000 - 10 - MOST_IN_FLIGHT
    broker.signal(signal.SIGCONT)
    wait_for(lambda: 1000 in listener.verdicts())
    assert len(set(listener.verdicts())) == 1000 - output.status().dropped


def test_a_message_that_the_library_refuses_is_lost_alone(
    broker: Broker, listener: Listener, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there were, those after them are sent."""
    output = up(made(broker.port))
    refused: list[int] = []

    def refuse(_client: mqtt.Client, _topic: str, payload: str, *_rest: Any, **_more: Any) -> None:
        refused.append(json.loads(payload)["part"])
        raise ValueError("refused by the library")

    with monkeypatch.context() as patch:
        patch.setattr(mqtt.Client, "publish", refuse)
        for part in range(1, MOST_IN_FLIGHT + 1):
            output.verdict(verdict_on(part))
            wait_for(lambda part=part: part in refused)
    output.verdict(verdict_on(MOST_IN_FLIGHT + 1))
    wait_for(lambda: listener.verdicts() == [MOST_IN_FLIGHT + 1])


def test_broker_that_never_answers(made: Made) -> None:
    """It takes the connection and says nothing: not healthy, tried again, and the caller never waits."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        connections: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):  # the end of the test
                while True:
                    connections.append(mute.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        output = made(mute.getsockname()[1], keepalive_s=1, queue=5)
        begun = time.monotonic()
        for part in range(1, 101):
            output.verdict(verdict_on(part))
            output.state(RUNNING)
        assert time.monotonic() - begun < 2.0
        wait_for(lambda: len(connections) >= 2)
        assert not output.status().healthy
        assert output.status().dropped == 95
        begun = time.monotonic()
        output.stop()
        assert time.monotonic() - begun < 2.0
        mute.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection.close()


def test_user_and_password(tmp_path: Path, made: Made) -> None:
    """The right ones are let in; with the wrong ones the status says what to look at."""
    users = tmp_path / "users"
    if (tool := "/usr/bin/mosquitto_passwd") and not Path(tool).exists():
        pytest.skip("mosquitto_passwd is not installed: apt-get install mosquitto")
    subprocess.run([tool, "-b", "-c", str(users), "line", "right"], check=True)
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {users}")
    broker.start()
    try:
        for word in ("right", "wrong"):
            (tmp_path / word).write_text(f"{word}\n")
        up(made(broker.port, user="line", password_file=str(tmp_path / "right")))
        refused = made(broker.port, user="line", password_file=str(tmp_path / "wrong"))
        wait_for(lambda: "refused" in refused.status().detail)
        assert "password_file" in refused.status().detail
        assert not refused.status().healthy
    finally:
        broker.kill()


# The library leaves the socket of a failed TLS handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls(tmp_path: Path, made: Made) -> None:
    """The broker's certificate is checked: by the authority that is named, and else by the system's."""
    certificate, key = own_certificate(tmp_path, "urn:broker", "127.0.0.1")
    authority = tmp_path / "ca.pem"
    authority.write_text(ssl.DER_cert_to_PEM_cert(certificate.read_bytes()))
    broker = Broker(tmp_path, "allow_anonymous true", f"certfile {authority}", f"keyfile {key}")
    broker.start()
    try:
        trusting = up(made(broker.port, tls={"ca": str(authority)}))
        strict = made(broker.port, tls={})
        wait_for(lambda: "TLS" in strict.status().detail)
        assert not strict.status().healthy
        strict.stop()
        trusting.stop()
        wait_for(lambda: not any("paho" in thread.name for thread in threading.enumerate()))
    finally:
        broker.kill()
        gc.collect()


def test_unreadable_files_are_told_at_once(tmp_path: Path) -> None:
    """Before anything is started, with the file's name and what to do."""
    settings = {"kind": "mqtt", "host": "127.0.0.1", "port": free_port(), "topic": TOPIC, "user": "line"}
    missing = str(tmp_path / "missing")
    for more in ({"password_file": missing}, {"tls": {"ca": missing}}):
        with pytest.raises(DeviceError, match=r"check tls and password_file"):
            MqttOutput(MqttSettings.model_validate(settings | more), "press-3")
