"""The OPC UA server with the library's own client: who gets in, and what they read."""

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from output_bench import RUNNING, free_port, verdict_on, wait_for

from inspectd.io.opcua_certificate import own_certificate
from inspectd.io.opcua_output import OpcUaOutput
from inspectd.io.opcua_users import set_user
from inspectd.io.output_settings import OpcUaSettings
from inspectd.io.outputs import Phase
from inspectd.io.plc_codes import FaultCode, Verdict

URI = "urn:inspectd:station"
USER, PASSWORD = "line", "right password"
Result = TypeVar("Result")


class Server:
    """A server with one user, and the clients that ask it."""

    def __init__(self, folder: Path, *, anonymous: bool = False) -> None:
        set_user(folder, USER, PASSWORD)
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}/"
        self.folder = folder
        settings = OpcUaSettings(
            kind="opcua", host="127.0.0.1", port=self.port, folder=folder, anonymous=anonymous
        )
        self.output = OpcUaOutput(settings, "press-3")

    async def client(self, user: str | None = USER, password: str = PASSWORD) -> Client:
        """An encrypted client, not connected yet."""
        client = Client(self.url, timeout=60)
        client.application_uri = "urn:test:client"
        files = own_certificate(self.folder / "client", client.application_uri, "127.0.0.1")
        await client.set_security_string(f"Basic256Sha256,SignAndEncrypt,{files[0]},{files[1]}")
        if user is not None:
            client.set_user(user)
            client.set_password(password)
        return client

    def ask(self, question: Callable[[Client], Awaitable[Result]]) -> Result:
        """Connect as the right user and ask."""

        async def connect() -> Result:
            async with await self.client() as client:
                return await question(client)

        return asyncio.run(connect())

    def refusal(self, make: Callable[[], Awaitable[Client]]) -> str:
        """Name of the error with which a client is refused; empty if it was let in and could read."""

        async def connect() -> str:
            client = await make()
            try:
                async with client:
                    await client.nodes.server_state.read_value()
            except (ua.UaError, ConnectionError) as error:
                return type(error).__name__
            return ""

        return asyncio.run(connect())


async def read(client: Client, *paths: str) -> list[Any]:
    space = await client.get_namespace_index(URI)
    nodes = [client.get_node(f"ns={space};s=press-3/{path}") for path in paths]
    return await client.read_values(nodes)


async def follow(client: Client, path: str, expected: Any) -> None:
    for _ in range(1000):
        if (await read(client, path))[0] == expected:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} never was {expected}: {await read(client, path)}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("opcua"))
    server.output.start()
    wait_for(lambda: server.output.status().healthy)
    yield server
    server.output.stop()


def test_values_follow_the_verdicts(server: Server) -> None:
    """One verdict after the other, with reason, score and the whole record, and counted by kind."""

    async def look(client: Client) -> None:
        before = await read(client, "Accepted", "Rejected", "Unknown")
        for part, verdict in enumerate((Verdict.ACCEPT, Verdict.REJECT, Verdict.UNKNOWN), 4001):
            server.output.verdict(verdict_on(part, verdict))
            await follow(client, "Result/Part", part)
            await follow(
                client,
                "Unknown" if part == 4003 else "Result/Verdict",
                before[2] + 1 if part == 4003 else verdict.name,
            )
        names = ("Verdict", "Reason", "ReasonText", "Score", "Threshold", "Serial", "Lot", "Recipe")
        assert await read(client, *(f"Result/{name}" for name in names)) == [
            *("UNKNOWN", 1, "score at or over the threshold", 0.5, 1.0, "A-1", "L-2", 7)
        ]
        assert '"part": 4003' in (await read(client, "Result/Record"))[0]
        assert await read(client, "Accepted", "Rejected", "Unknown") == [count + 1 for count in before]

    server.ask(look)


def test_values_follow_the_state(server: Server) -> None:
    """The states of OPC 40100-1, the fault with its remedy, and what is in force for each recipe."""
    states = {
        ("Preoperational", ""): replace(RUNNING, phase=Phase.STARTING),
        ("Operational", "Ready"): RUNNING,
        ("Operational", "SingleExecution"): replace(RUNNING, busy=True),
        ("Operational", "ContinuousExecution"): replace(RUNNING, free_running=True),
        ("Operational", "Initialized"): replace(RUNNING, online=False),
        ("Error", ""): replace(RUNNING, fault=FaultCode.CAMERA_LOST),
        ("Halted", ""): replace(RUNNING, phase=Phase.STOPPED),
    }

    async def look(client: Client) -> None:
        for (state, mode), told in states.items():
            server.output.state(told)
            await follow(client, "VisionStateMachine/AutomaticMode/CurrentState", ua.LocalizedText(mode))
            await follow(client, "VisionStateMachine/CurrentState", ua.LocalizedText(state))
        server.output.state(replace(RUNNING, fault=FaultCode.CAMERA_LOST))
        await follow(client, "Fault/Name", "CAMERA_LOST")
        await follow(client, "Fault/Remedy", FaultCode.CAMERA_LOST.remedy)
        paths = ("RecipeInForce", "Recipes", "Classes", "Bundles")
        assert await read(client, *(f"RecipeManagement/{path}" for path in paths)) == [
            *(7, [7, 9], ["button", "screw"], ["b" * 64, "c" * 64])
        ]

    server.ask(look)


def test_nobody_writes(server: Server) -> None:
    """Recipes are the PLC's word, and a verdict is nobody's but the agent's."""

    async def look(client: Client) -> None:
        space = await client.get_namespace_index(URI)
        for path in ("RecipeManagement/RecipeInForce", "Result/Verdict", "VisionStateMachine/CurrentState"):
            node = client.get_node(f"ns={space};s=press-3/{path}")
            with pytest.raises(ua.UaStatusCodeError):
                await node.write_value(await node.read_value())
        with pytest.raises(ua.UaStatusCodeError):
            await client.nodes.objects.add_object(space, "mine")

    server.ask(look)


@pytest.mark.parametrize(
    ("user", "password"),
    [(USER, "wrong password"), ("nobody", PASSWORD), (USER, ""), ("", PASSWORD), (None, "")],
)
def test_wrong_user_is_refused(server: Server, user: str | None, password: str) -> None:
    """Over an encrypted channel too, and without a name as well."""
    assert server.refusal(lambda: server.client(user, password)) in (
        "BadUserAccessDenied",
        "BadIdentityTokenRejected",
    )


def test_right_user_without_encryption_is_refused(server: Server) -> None:
    """Before the password could be asked for."""

    async def open_client() -> Client:
        client = Client(server.url, timeout=60)
        client.set_user(USER)
        client.set_password(PASSWORD)
        return client

    assert server.refusal(open_client) == "BadSecurityModeRejected"


def test_signing_alone_is_refused(server: Server) -> None:
    """What anybody on the network could read is not offered."""

    async def open_client() -> Client:
        client = await server.client()
        files = own_certificate(server.folder / "client", client.application_uri, "127.0.0.1")
        await client.set_security_string(f"Basic256Sha256,Sign,{files[0]},{files[1]}")
        return client

    with pytest.raises(ua.UaError, match="No matching endpoints"):
        server.refusal(open_client)


@pytest.mark.parametrize("session", ["created", "another's", "another's, unencrypted", "none, unencrypted"])
def test_channel_without_a_user_reads_nothing(server: Server, session: str) -> None:
    """Neither with a session that is not activated nor with that of another, whose number can be guessed."""

    async def look() -> None:
        async with await server.client() as victim:
            unencrypted = session.endswith("unencrypted")
            client = Client(server.url, timeout=60) if unencrypted else await server.client()
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            try:
                if session == "created":
                    await client.create_session()
                if session.startswith("another's"):
                    protocol_of(client).authentication_token = protocol_of(victim).authentication_token
                    cast("Any", client)._server_nonce = bytes(32)
                    with pytest.raises(ua.UaStatusCodeError):
                        await client.activate_session(username=USER, password=PASSWORD[1:])
                with pytest.raises(ua.UaStatusCodeError):
                    await client.nodes.server_state.read_value()
            finally:
                client.disconnect_socket()
            assert await victim.nodes.server_state.read_value() is not None

    asyncio.run(look())


def protocol_of(client: Client) -> UASocketProtocol:
    protocol = client.uaclient.protocol
    assert protocol is not None
    return protocol


def test_server_that_is_frozen_or_killed_holds_nobody_up(tmp_path: Path) -> None:
    """The caller never waits, what is lost is counted, and the next server shows what comes."""
    server = Server(tmp_path, anonymous=True)
    output = server.output
    output.start()
    try:
        wait_for(lambda: output.status().healthy)
        assert server.refusal(lambda: server.client(None)) == "", "anonymous reading is configured"
        assert server.refusal(lambda: server.client(USER, "wrong password")) == "BadUserAccessDenied"
        pid = output.pid
        assert pid is not None
        yields = min(19, os.nice(0) + 10)
        assert os.getpriority(os.PRIO_PROCESS, pid) == yields, "it would compete with the inspection"
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        for part in range(1, 3001):
            output.verdict(verdict_on(part))
            output.state(RUNNING)
        assert time.monotonic() - begun < 5.0, "the caller was held up"
        assert output.status().dropped > 0
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: "SIGKILL" in output.status().detail)
        wait_for(lambda: output.status().healthy)
        assert not output.status().concern, "reports are no concern of the line"
        output.state(RUNNING)
        output.verdict(verdict_on(3001))
        server.ask(lambda client: follow(client, "Result/Part", 3001))
    finally:
        output.stop()
    assert not Path(f"/proc/{pid}").exists()


def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    """A port in use, and a folder without users: with the remedy, and tried again."""
    server = Server(tmp_path)
    with socket.create_server(("127.0.0.1", server.port)):
        server.output.start()
        try:
            wait_for(lambda: "cannot listen" in server.output.status().detail)
            assert f"127.0.0.1:{server.port}" in server.output.status().detail
            (tmp_path / "users").unlink()
            wait_for(lambda: "inspectd opcua user" in server.output.status().detail)
        finally:
            server.output.stop()


def test_certificate_is_made_once_and_its_key_is_secret(tmp_path: Path) -> None:
    """Clients have been told to trust it, so it stays; the key is for its owner alone."""
    certificate, key = own_certificate(tmp_path, "urn:one", "127.0.0.1")
    made = certificate.read_bytes(), key.read_bytes()
    own_certificate(tmp_path, "urn:two", "127.0.0.2")
    assert (certificate.read_bytes(), key.read_bytes()) == made
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
