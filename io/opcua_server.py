"""The OPC UA server: the station's verdict, state and recipes to read, over an encrypted channel, by users.

    Objects/<station>
      VisionStateMachine/CurrentState, AutomaticMode/CurrentState   names of OPC 40100-1
      RecipeManagement/RecipeInForce, Recipes, Classes, Bundles, Decisions
      Result/Part, TrigId, Recipe, Verdict, Reason, ReasonText, Score, Threshold, Serial, Lot, Time, Record
      Fault/Code, Name, Meaning, Remedy
      Online, PlcConnected, Degraded, Shadow, StopLineRequest, Accepted, Rejected, Unknown

Everything is read-only: which recipe a part has is the PLC's word, part by part, and a network that can be
slow has no say in that. All variables of one verdict carry the same source timestamp, and `Record` holds the
whole of it as one JSON text.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

from asyncua import ua as typed_ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server import binary_server_asyncio
from asyncua.server.server import Server
from asyncua.server.uaprocessor import UaProcessor
from asyncua.server.user_managers import UserManager

from inspectd.io.opcua_users import password_fits
from inspectd.io.plc_codes import FaultCode, Reason

if TYPE_CHECKING:
    from pathlib import Path

    from asyncua.common.node import Node

    from inspectd.io.output_settings import OpcUaSettings

NAMESPACE = "urn:inspectd:station"
ua: Any = typed_ua  # what it takes is more than its annotations say
_Types = ua.VariantType
_NOBODY_NEEDS_TO_BE = {
    ua.NodeId(number)
    for number in (
        ua.ObjectIds.GetEndpointsRequest_Encoding_DefaultBinary,
        ua.ObjectIds.FindServersRequest_Encoding_DefaultBinary,
        ua.ObjectIds.CloseSecureChannelRequest_Encoding_DefaultBinary,
    )
}
_CREATE = ua.NodeId(ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary)
_ACTIVATE = ua.NodeId(ua.ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary)

VARIABLES: dict[str, dict[str, tuple[Any, Any]]] = {
    "VisionStateMachine": {"CurrentState": (_Types.LocalizedText, ua.LocalizedText("Preoperational"))},
    "VisionStateMachine/AutomaticMode": {"CurrentState": (_Types.LocalizedText, ua.LocalizedText(""))},
    "RecipeManagement": {
        "RecipeInForce": (_Types.UInt16, 0),
        "Recipes": (_Types.UInt16, []),
        "Classes": (_Types.String, []),
        "Bundles": (_Types.String, []),
        "Decisions": (_Types.String, []),
    },
    "Result": {
        "Part": (_Types.UInt64, 0),
        "TrigId": (_Types.UInt16, 0),
        "Recipe": (_Types.UInt16, 0),
        "Verdict": (_Types.String, "NONE"),
        "Reason": (_Types.UInt16, 0),
        "ReasonText": (_Types.String, ""),
        "Score": (_Types.Double, math.nan),
        "Threshold": (_Types.Double, math.nan),
        "Serial": (_Types.String, ""),
        "Lot": (_Types.String, ""),
        "Time": (_Types.String, ""),
        "Record": (_Types.String, "{}"),
    },
    "Fault": {
        "Code": (_Types.UInt16, 0),
        "Name": (_Types.String, FaultCode.NONE.name),
        "Meaning": (_Types.String, FaultCode.NONE.meaning),
        "Remedy": (_Types.String, FaultCode.NONE.remedy),
    },
    "": {
        "Online": (_Types.Boolean, False),
        "PlcConnected": (_Types.Boolean, False),
        "Degraded": (_Types.Boolean, False),
        "Shadow": (_Types.Boolean, False),
        "StopLineRequest": (_Types.Boolean, False),
        "Accepted": (_Types.UInt64, 0),
        "Rejected": (_Types.UInt64, 0),
        "Unknown": (_Types.UInt64, 0),
    },
}
"""Objects under the station's own, with their variables, types and values at the start."""

COUNTERS = {"ACCEPT": "Accepted", "REJECT": "Rejected", "UNKNOWN": "Unknown"}
"""Variables that count since the server's start, by the verdict's name."""


class Guard(UaProcessor):
    """One client's connection, which says nothing before it is encrypted and its user is known.

    The library itself opens channels without encryption too, lets a session that was created but not
    activated read on them, and lets a new channel take over another's session by its number.
    """

    _admitted = False

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> bool:
        if typeid not in _NOBODY_NEEDS_TO_BE:
            if self._connection.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
                raise ServiceError(ua.StatusCodes.BadSecurityModeRejected)
            if typeid == _ACTIVATE and self.session is None:
                raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
            if not self._admitted and typeid not in (_CREATE, _ACTIVATE):
                raise ServiceError(ua.StatusCodes.BadSessionNotActivated)
        goes_on: bool = await cast("Any", super())._process_message(typeid, requesthdr, seqhdr, body)  # noqa: SLF001  our own base
        self._admitted = self._admitted or typeid == _ACTIVATE
        return goes_on


class Users(UserManager):
    """Tells users by the station's file; nobody is an administrator."""

    def __init__(self, folder: Path, *, anonymous: bool) -> None:
        self._folder = folder
        self._anonymous = anonymous

    def get_user(
        self,
        iserver: Any,  # noqa: ARG002  the library's signature
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,  # noqa: ARG002  likewise
    ) -> User | None:
        """Give the user's rights, to read; None refuses."""
        if username is None:
            return User(UserRole.User) if self._anonymous else None
        known = password_fits(self._folder, username, password or "")
        return User(UserRole.User, username) if known else None


class StationServer:
    """The server and its variables. All of it runs on one event loop."""

    def __init__(self, settings: OpcUaSettings, station: str) -> None:
        self._settings = settings
        self._station = station
        self._server = Server(user_manager=Users(settings.folder, anonymous=settings.anonymous))
        self._nodes: dict[str, Node] = {}
        self.uri = f"{NAMESPACE}:{station}"

    async def start(self, certificate: Path, key: Path) -> None:
        """Make the variables and listen. Raises OSError if the address cannot be had."""
        server = self._server
        cast("Any", binary_server_asyncio).UaProcessor = Guard
        await server.init()
        server.set_endpoint(f"opc.tcp://{self._settings.host}:{self._settings.port}/")
        server.set_server_name(f"inspectd {self._station}")
        await server.set_application_uri(self.uri)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        anonymous = [ua.AnonymousIdentityToken] if self._settings.anonymous else []
        server.set_identity_tokens([ua.UserNameIdentityToken, *anonymous])
        await server.load_certificate(certificate)
        await server.load_private_key(key)
        await self._make_nodes(await server.register_namespace(NAMESPACE))
        await server.start()

    async def stop(self) -> None:
        """Let the clients go and stop listening."""
        await self._server.stop()

    async def show_verdict(self, record: dict[str, Any], reason_text: str) -> None:
        """Show the last part's line of the record and count it."""
        values = {
            "Part": record["part"],
            "TrigId": record.get("trig_id") or 0,
            "Recipe": record.get("recipe") or 0,
            "Verdict": record["verdict"],
            "Reason": record["reason"],
            "ReasonText": reason_text,
            "Score": _number(record.get("score")),
            "Threshold": _number(record.get("threshold")),
            "Serial": record.get("serial") or "",
            "Lot": record.get("lot") or "",
            "Time": record.get("time") or "",
            "Record": json.dumps(record),
        }
        now = datetime.now(timezone.utc)
        for name, value in values.items():
            await self._write(f"Result/{name}", value, now)
        counter = COUNTERS[record["verdict"]]
        await self._write(counter, await self._nodes[counter].read_value() + 1, now)

    async def show_state(self, state: dict[str, Any]) -> None:
        """Show the station's state: a value for each path in `VARIABLES` that it names."""
        now = datetime.now(timezone.utc)
        for path, value in state.items():
            await self._write(path, value, now)

    async def _make_nodes(self, namespace: int) -> None:
        station = await self._server.nodes.objects.add_object(
            ua.NodeId(self._station, namespace), ua.QualifiedName(self._station, namespace)
        )
        folders = {"": station}
        for path, variables in VARIABLES.items():
            if path:
                above, _, name = path.rpartition("/")
                number = ua.NodeId(f"{self._station}/{path}", namespace)
                folders[path] = await folders[above].add_object(number, ua.QualifiedName(name, namespace))
            for name, (kind, value) in variables.items():
                whole = f"{path}/{name}" if path else name
                number = ua.NodeId(f"{self._station}/{whole}", namespace)
                self._nodes[whole] = await folders[path].add_variable(
                    number, ua.QualifiedName(name, namespace), _variant(value, kind)
                )

    async def _write(self, path: str, value: Any, now: datetime) -> None:
        folder, _, name = path.rpartition("/")
        variant = _variant(value, VARIABLES[folder][name][0])
        await self._server.write_attribute_value(
            self._nodes[path].nodeid, ua.DataValue(variant, SourceTimestamp=now, ServerTimestamp=now)
        )


def reason_text(number: int) -> str:
    """What a reason means, for people."""
    return Reason(number).meaning if number in set(Reason) else ""


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _variant(value: Any, kind: Any) -> Any:
    if kind is _Types.LocalizedText and isinstance(value, str):
        value = ua.LocalizedText(value)
    return ua.Variant(value, kind, is_array=isinstance(value, list))
