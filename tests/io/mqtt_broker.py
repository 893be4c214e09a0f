"""Mosquitto as a process of the test's own, and a subscriber that keeps what it hears."""

import json
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from output_bench import free_port, wait_for
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")


class Broker:
    """A broker without persistence on a port of 127.0.0.1, which can be killed, stopped and started again."""

    def __init__(self, folder: Path, *settings: str) -> None:
        if MOSQUITTO is None:
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            "\n".join([f"listener {self.port} 127.0.0.1", "persistence false", "user root", *settings]) + "\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Listener:
    """Hears all topics under one, through a connection of its own that is kept up."""

    def __init__(self, port: int, topic: str) -> None:
        self.heard: list[tuple[str, Any, bool]] = []
        self._topic = topic
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._note_subscribed
        self._client.on_disconnect = self._note_gone
        self._client.on_message = self._hear
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def _subscribe(self, *_: Any) -> None:
        self._client.subscribe(f"{self._topic}/#", qos=1)

    def _note_subscribed(self, *_: Any) -> None:
        self._subscribed.set()

    def _note_gone(self, *_: Any) -> None:
        self._subscribed.clear()

    def _hear(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.heard.append(
            (message.topic.removeprefix(f"{self._topic}/"), json.loads(message.payload), message.retain)
        )

    def await_subscribed(self) -> None:
        wait_for(self._subscribed.is_set)

    def await_lost(self) -> None:
        wait_for(lambda: not self._subscribed.is_set())

    def verdicts(self) -> list[int]:
        """The part ids, in the order of their arrival."""
        return [payload["part"] for topic, payload, _ in list(self.heard) if topic == "verdict"]

    def statuses(self) -> list[dict[str, Any]]:
        return [payload for topic, payload, _ in list(self.heard) if topic == "status"]

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
