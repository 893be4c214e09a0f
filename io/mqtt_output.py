"""Verdicts and state for an MQTT broker. Reports only: a broker confirms nothing to the PLC.

    TOPIC/verdict   one JSON object for each part, the same as its line in the record; at least once (QoS 1)
    TOPIC/status    retained: the station's state; `"connected": false` where the agent stopped, and as the
                    last will where it vanished

While the broker is away verdicts wait in a bounded queue, and the oldest are dropped and counted. The library
connects again by itself, at longer and longer intervals; a broker that does not answer counts as away.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from inspectd.io.errors import DeviceError
from inspectd.io.outbox import Outbox
from inspectd.io.outputs import STOP_S, OutputStatus
from inspectd.io.vision_state import vision_state

if TYPE_CHECKING:
    from paho.mqtt.enums import MQTTErrorCode

    from inspectd.io.output_settings import MqttSettings
    from inspectd.io.outputs import PublishedVerdict, StationState

MOST_IN_FLIGHT = 20
"""Messages given to the library and not yet confirmed by the broker; all others stay in our own queue."""
CONNECT_S = 5.0
_IDLE_S = 0.5

log = structlog.get_logger(__name__)


class MqttOutput:
    """See `inspectd.io.outputs.Output`."""

    def __init__(self, settings: MqttSettings, station: str) -> None:
        """Read the files that the settings name. Raises DeviceError if one cannot be used."""
        self._settings = settings
        self._station = station
        self._where = f"{settings.host}:{settings.port}"
        self._verdicts: Outbox[str] = Outbox(settings.queue)
        self._state: StationState | None = None
        self._told: dict[str, Any] | None = None
        self._given = 0
        self._confirmed = 0
        self._connected = False
        self._refused = False
        self._why = "not connected yet"
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._run, name="output-mqtt", daemon=True)

    def start(self) -> None:
        """See `Output.start`."""
        self._client.connect_async(self._settings.host, self._settings.port, self._settings.keepalive_s)
        self._client.loop_start()
        self._thread.start()

    def verdict(self, verdict: PublishedVerdict) -> None:
        """See `Output.verdict`."""
        self._verdicts.put(json.dumps(dict(verdict.record)))
        self._wake.set()

    def state(self, state: StationState) -> None:
        """See `Output.state`."""
        self._state = state
        self._wake.set()

    def status(self) -> OutputStatus:
        """See `Output.status`."""
        detail = "" if self._connected else f"broker {self._where}: {self._why}"
        return OutputStatus(healthy=self._connected, dropped=self._verdicts.dropped, detail=detail)

    def stop(self) -> None:
        """See `Output.stop`: what waits is sent while there is time, and then the last status."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"inspectd-{self._station}")
        client.connect_timeout = CONNECT_S
        client.reconnect_delay_set(min_delay=1, max_delay=self._settings.reconnect_max_s)
        client.max_inflight_messages_set(MOST_IN_FLIGHT)
        client.will_set(self._topic("status"), json.dumps(self._good_bye("connection lost")), 1, retain=True)
        try:
            self._secure(client)
        except (OSError, ValueError) as error:
            raise DeviceError(
                f"mqtt {self._where}: {error}; check tls and password_file, and that this user may read them"
            ) from error
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _secure(self, client: mqtt.Client) -> None:
        settings = self._settings
        if settings.user is not None:
            file = settings.password_file
            client.username_pw_set(settings.user, file.read_text().rstrip("\r\n") if file else None)
        if settings.tls is not None:
            files = (settings.tls.ca, settings.tls.certificate, settings.tls.key)
            authority, certificate, key = (str(path) if path else None for path in files)
            client.tls_set(authority, certificate, key)

    # --- on the library's thread -----------------------------------------------------------------------

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._refused = reason.is_failure
        if self._refused:
            self._note_down(f"refused: {reason}; check user, password_file and the broker's rights")
            return
        self._connected, self._told = True, None
        log.info("mqtt_connected", broker=self._where)
        self._wake.set()

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._note_down("cannot be reached; check host, port, network and TLS")

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not (self._stopping.is_set() or self._refused):
            self._note_down(f"the connection ended: {reason}")

    def _on_publish(self, _client: Any, _data: Any, _mid: Any, _reason: Any, _properties: Any) -> None:
        self._confirmed += 1
        self._wake.set()

    def _note_down(self, why: str) -> None:
        if self._connected or why != self._why:
            log.warning("mqtt_down", broker=self._where, why=why)
        self._connected, self._why = False, why

    # --- on our own thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_IDLE_S)
            self._wake.clear()
            try:
                self._pump()
            except Exception:
                # The loop's boundary: this one message is lost, the next is tried.
                log.exception("mqtt_publish_failed", broker=self._where)
        self._leave()

    def _pump(self) -> None:
        """Give the library what there is to say, as much as the broker confirms."""
        if self._state is not None and self._connected:
            told = _status(self._state, self._station)
            if told != self._told:
                self._told = told
                self._publish("status", json.dumps(told | _time()), retain=True)
        while self._connected and self._in_flight < MOST_IN_FLIGHT:
            verdict = self._verdicts.take()
            if verdict is None:
                return
            self._publish("verdict", verdict, retain=False)

    @property
    def _in_flight(self) -> int:
        return self._given - self._confirmed

    def _publish(self, topic: str, payload: str, *, retain: bool) -> None:
        self._client.publish(self._topic(topic), payload, 1, retain=retain)
        self._given += 1  # only what the library took will be confirmed

    def _leave(self) -> None:
        """Send what waits and the last status, within the time there is."""
        give_up = time.monotonic() + STOP_S / 2
        while len(self._verdicts) and self._connected and time.monotonic() < give_up:
            self._pump()
            self._wake.wait(0.01)
            self._wake.clear()
        if self._connected:
            self._publish("status", json.dumps(self._good_bye("the agent was stopped")), retain=True)
            while self._in_flight and time.monotonic() < give_up + STOP_S / 4:
                self._wake.wait(0.01)
                self._wake.clear()
        ended: MQTTErrorCode = self._client.disconnect()
        log.info("mqtt_left", broker=self._where, unsent=len(self._verdicts), result=int(ended))

    def _good_bye(self, why: str) -> dict[str, Any]:
        return {"station": self._station, "connected": False, "state": "Halted", "why": why}

    def _topic(self, name: str) -> str:
        return f"{self._settings.topic}/{name}"


def _status(state: StationState, station: str) -> dict[str, Any]:
    """What the status says; parts that come and go do not change it."""
    return {
        "station": station,
        "connected": True,
        "state": vision_state(state).value,
        "online": state.online,
        "plc_connected": state.plc_connected,
        "fault": {"code": int(state.fault), "name": state.fault.name, "remedy": state.fault.remedy},
        "degraded": state.degraded,
        "shadow": state.shadow,
        "stop_line": state.stop_line,
        "recipe_in_force": state.recipe_in_force,
        "classes": [
            {"recipe": entry.recipe, "class": entry.name, "bundle": entry.bundle, "decision": entry.decision}
            for entry in state.classes
        ],
    }


def _time() -> dict[str, str]:
    return {"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds")}
