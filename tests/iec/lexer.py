"""Words of IEC 61131-3 structured text and of Siemens' SCL, for the interpreter of the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass


class IecError(Exception):
    """The source uses what the subset does not have, breaks a rule of the language, or overflowed."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: name, number, typed, time, string, address, symbol, end. `text` is as written."""

    kind: str
    text: str
    line: int

    @property
    def word(self) -> str:
        """The text for comparisons: identifiers and keywords know no case."""
        return self.text.upper()


_PATTERNS = (
    ("space", r"[ \t\r\n]+"),
    ("comment", r"\(\*.*?\*\)"),
    ("line_comment", r"//[^\n]*"),
    ("pragma", r"\{[^}\n]*\}"),
    ("time", r"T#\d+(?:ms|s)\b"),
    ("typed", r"[A-Z]+#(?:16#[0-9A-F_]+|\d+)\b"),
    ("local", r"#[A-Za-z]\w*"),
    ("quoted", r'"[A-Za-z]\w*"'),
    ("address", r"%[IQM][XBWDL]?\d+(?:\.\d+)?"),
    ("number", r"\d+(?:\.\d+(?!\.))?"),
    ("name", r"[A-Za-z]\w*"),
    ("symbol", r":=|<>|<=|>=|\.\.|[-+*/=<>()\[\],;:.]"),
)
_TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS), re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z]\w*")

# Words that no name may be in structured text: IEC 61131-3 (second edition), instruction list included,
# which compilers that know it too reserve. CODESYS and OpenPLC then both take the source.
_RESERVED_WORDS = """
    ABS ACTION ADD AND ANDN ANY ARRAY ASIN AT ATAN BOOL BY BYTE CAL CALC CALCN CASE CONCAT CONFIGURATION
    CONSTANT COS CTD CTU CTUD D DATE DELETE DINT DIV DO DS DT DWORD ELSE ELSIF END_ACTION END_CASE
    END_CONFIGURATION END_FOR END_FUNCTION END_FUNCTION_BLOCK END_IF END_PROGRAM END_REPEAT END_RESOURCE
    END_STEP END_STRUCT END_TRANSITION END_TYPE END_VAR END_WHILE EN ENO EQ EXIT EXP EXPT FALSE FIND FOR
    FROM FUNCTION FUNCTION_BLOCK F_EDGE F_TRIG GE GT IF IN INITIAL_STEP INSERT INT INTERVAL JMP JMPC
    JMPCN L LD LDN LE LEFT LEN LIMIT LINT LN LOG LREAL LT LWORD MAX MID MIN MOD MOVE MUL MUX N NE NOT OF
    ON OR ORN P PRIORITY PROGRAM PT PV Q R READ_ONLY READ_WRITE REAL REPEAT REPLACE RESOURCE RET RETAIN
    RETC RETCN RETURN RIGHT ROL ROR RS RTC R_EDGE R_TRIG S SD SEL SEMA SHL SHR SIN SINGLE SINT SL SQRT
    SR ST STEP STN STRING STRUCT SUB TAN TASK THEN TIME TO TOD TOF TON TP TRANSITION TRUE TRUNC TYPE
    UDINT UINT ULINT UNTIL USINT VAR VAR_ACCESS VAR_EXTERNAL VAR_GLOBAL VAR_INPUT VAR_IN_OUT VAR_OUTPUT
    VAR_TEMP WHILE WITH WORD WSTRING XOR XORN
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


def tokens_of(source: str, *, scl: bool) -> list[Token]:
    """Split source into tokens, an `end` last. IecError: a character that is in neither dialect.

    In SCL every local name carries `#` and every global one quotation marks; both are kept in `text`.
    """
    found: list[Token] = []
    at, line = 0, 1
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise IecError(f"line {line}: cannot read {source[at : at + 20]!r}")
        kind, text = str(match.lastgroup), match.group()
        if kind == "comment" and "(*" in text[2:]:
            raise IecError(f"line {line}: comments do not nest everywhere")
        only_scl = kind in ("pragma", "local", "quoted", "line_comment")
        if only_scl and not scl:
            raise IecError(f"line {line}: {text!r} is not structured text")
        if kind not in ("space", "comment", "line_comment", "pragma"):
            found.append(Token(kind, text, line))
        line += text.count("\n")
        at = match.end()
    return [*found, Token("end", "", line)]


def check_name(token: Token) -> str:
    """Give a name for a declaration, lower case. IecError: reserved, or not portable."""
    text = token.text.strip('#"')
    if not _IDENTIFIER.fullmatch(text):
        raise IecError(f"line {token.line}: {token.text!r} is no name")
    if "__" in text or text.endswith("_"):
        raise IecError(f"line {token.line}: {text!r}: underscores single and inside only")
    if text.upper() in RESERVED and token.kind != "quoted":
        raise IecError(f"line {token.line}: {text!r} is reserved")
    return text.lower()
