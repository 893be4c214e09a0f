"""The interpreter is strict: what is not in the subset, not portable or overflows is an error."""

from __future__ import annotations

import pytest

from tests.iec.lexer import IecError
from tests.iec.program import Instance, Machine


def block(body: str, variables: str = "", *, scl: bool = False) -> Instance:
    """A block with a few variables, called once."""
    given = "a : INT; b : UINT; c : UDINT; e : BOOL; w : WORD; t : TON; f : ARRAY[2..4] OF INT;"
    if scl:
        source = (
            f'FUNCTION_BLOCK "X"\nVERSION : 0.1\nVAR\n{given.replace("TON", "TON_TIME")}\n{variables}\n'
            f"END_VAR\nBEGIN\n{body}\nEND_FUNCTION_BLOCK"
        )
    else:
        source = f"FUNCTION_BLOCK X\nVAR\n{given}\n{variables}\nEND_VAR\n{body}\nEND_FUNCTION_BLOCK"
    instance = Instance(Machine(source, scl=scl), "X")
    instance.call()
    return instance


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ("a := 7 + 2 * 3 - 9 / 2;", "a", None),
        ("a := 5; a := a + 2 * a - a / 2;", "a", 13),
        ("a := -7; a := a / 2;", "a", -3),
        ("a := -7; a := a MOD 2;", "a", -1),
        ("b := 40000; b := b MOD 16;", "b", 0),
        ("e := NOT e AND a = 0 OR e;", "e", True),
        ("e := a = 0 AND b <> 0;", "e", False),
        ("c := UDINT#4294967295;", "c", 2**32 - 1),
        ("w := UINT_TO_WORD(b) XOR WORD#16#A001;", "w", 0xA001),
        ("FOR a := 2 TO 4 DO f[a] := a; IF a = 3 THEN EXIT; END_IF; END_FOR;", "f", [2, 3, 0]),
        ("FOR a := 4 TO 2 BY -1 DO f[a] := 4 - a; END_FOR;", "f", [2, 1, 0]),
        ("WHILE b < 5 DO b := b + 2; END_WHILE;", "b", 6),
        ("IF e THEN a := 1; ELSIF a = 0 THEN a := 2; ELSE a := 3; END_IF;", "a", 2),
    ],
)
def test_what_it_computes(body: str, name: str, value: object) -> None:
    """By the rules of IEC 61131-3: division towards zero, AND before OR, comparison before AND."""
    if value is None:
        with pytest.raises(IecError):  # two literals have no type to calculate in
            block(body)
    else:
        assert block(body)[name] == value


@pytest.mark.parametrize(
    "body",
    [
        "b := 65535; b := b + 1;",
        "b := b - 1;",
        "a := 32767; a := a + 1;",
        "c := UDINT#4294967295; c := c + 1;",
        "c := 65536; b := UDINT_TO_UINT(c);",
        "a := a / a;",
        "a := f[1];",
        "a := 5; f[a] := 1;",
        "WHILE NOT e DO b := 1; END_WHILE;",
        "FOR a := 1 TO 3 DO a := 2; END_FOR;",
        "FOR a := 2 TO 4 DO b := 1; END_FOR; f[a] := 1;",
        "b := 70000;",
        "a := b;",
        "c := b;",
        "b := w;",
        "e := a;",
        "e := a AND b;",
        "a := x;",
        "x := 1;",
        "a := 1.5;",
        "f := 1;",
        "a := t.X;",
        "t.Q := TRUE;",
        "t(IN := TRUE);",
        "t(IN := TRUE, PT := 500);",
        "a := MAX(a, a);",
        "CASE a OF 1: a := 2; END_CASE;",
        "REPEAT a := 1; UNTIL TRUE END_REPEAT;",
        "RETURN;",
        "a := 1",
        "IF e THEN a := 1;",
        "// no comment of this kind\n",
        "(* nested (* comments *) *)",
        "#a := 1;",
    ],
)
def test_what_it_refuses(body: str) -> None:
    """Overflow, wrong types, unknown names and statements, and what is not in every dialect."""
    with pytest.raises(IecError):
        block(body)


@pytest.mark.parametrize(
    "variables",
    [
        "step : INT;",
        "A : INT;",
        "x_ : INT;",
        "x__y : INT;",
        "x : LINT;",
        "x : UINT := 70000;",
        "x : Thing;",
        'x : "Thing";',
        "x AT 5 : UINT;",
    ],
)
def test_declarations_that_it_refuses(variables: str) -> None:
    """Reserved words, names twice in another case, unknown types, values that do not fit."""
    with pytest.raises(IecError):
        block("", variables)


def test_inputs_and_constants_are_read_only() -> None:
    """A block does not assign to its own inputs."""
    for section in ("VAR_INPUT x : INT; END_VAR", "VAR CONSTANT x : INT := 1; END_VAR"):
        with pytest.raises(IecError):
            Machine(f"FUNCTION_BLOCK X {section} x := 2; END_FUNCTION_BLOCK")


def test_scl_is_a_dialect_of_its_own() -> None:
    """Local names carry `#`, global ones quotation marks; neither may be left out."""
    assert block("#a := #a + 1; // one\n", scl=True)["a"] == 1
    for body in ("a := 1;", "#t(IN := TRUE, PT := 5);", '"Y"(p := 1);'):
        with pytest.raises(IecError):
            block(body, scl=True)


def test_a_timer_runs_from_the_first_call_that_starts_it() -> None:
    """TON: on after PT without a break; a call with IN FALSE starts it over, even in the same scan."""
    source = (
        "FUNCTION_BLOCK X VAR_INPUT again : BOOL; END_VAR VAR t : TON; e : BOOL; END_VAR\n"
        "IF again THEN t(IN := FALSE, PT := T#500ms); END_IF; t(IN := TRUE, PT := T#500ms); e := t.Q;\n"
        "END_FUNCTION_BLOCK"
    )
    machine = Machine(source)
    timer = Instance(machine, "X")
    seen: list[bool] = []
    for machine.now, again in (
        (0, False),
        (499, False),
        (500, False),
        (600, True),
        (1099, False),
        (1100, False),
    ):
        timer.call(again=again)
        seen.append(timer["e"])
    assert seen == [False, False, True, False, False, True]
