"""Changes of the gate's source by text, each of which a test must see."""

from __future__ import annotations

import re


def without_clause(source: str, name: str) -> str:
    """Take out the branch whose comment begins with `name`. ValueError: there is not just one."""
    branch = rf"    ELSIF [^\n]*THEN\n        WHY := \d+; \(\* {name}\b[^\n]*\n"
    return _once(branch, "", source)


def replaced(source: str, old: str, new: str) -> str:
    """Put `new` where `old` stands. ValueError: it does not stand just once."""
    return _once(re.escape(old), new.replace("\\", r"\\"), source)


def _once(pattern: str, new: str, source: str) -> str:
    changed, count = re.subn(pattern, new, source)
    if count != 1:
        raise ValueError(f"{pattern!r} stands {count} times")
    return changed


SLOT_CLAUSES = {
    "window": ("                AND off <= GATE_WINDOW\n", ""),
    "consumed": ("                AND NOT copy_used[place]\n", ""),
    "age": (
        (
            "                AND copy_back[place] <= oldest\n"
            "                AND copy_travel[place] <= oldest\n"
            "            THEN\n"
            "                IF copy_travel[place] <= oldest - copy_back[place] THEN\n"
        ),
        "            THEN\n                IF TRUE THEN\n",
    ),
}
"""Conditions on a copied slot in free-running mode; the others are branches with a comment."""


def without(source: str, clause: str) -> str:
    """Take a clause of the gate out of the structured text."""
    if clause in SLOT_CLAUSES:
        return replaced(source, *SLOT_CLAUSES[clause])
    return without_clause(source, clause)


# Rules besides the clauses that random scans must find missing: (mode, what stands there, what instead).
TRIGGERED, FREE, LEVEL = "plc_triggered", "free_running", "level"
RULES = (
    (TRIGGERED, "cell_recipe[place] := RECIPE;", "cell_recipe[place] := 1;"),
    (TRIGGERED, "cell_barred[place] := vision[RING_ID + 5 * slot] = TRIG_ID;", ""),
    (TRIGGERED, "slot_id[slot] := TRIG_ID;", ""),
    (TRIGGERED, "found := off <= 2 * GATE_WINDOW;", "found := TRUE;"),
    (TRIGGERED, "off > 2 * GATE_WINDOW", "off >= 2 * GATE_WINDOW"),
    (TRIGGERED, "TRIG_ID := TRIG_ID MOD 65535 + 1;", "TRIG_ID := (TRIG_ID + 1) MOD 65535;"),
    (TRIGGERED, "(p_crc := check, p_number := EPOCH)", "(p_crc := check, p_number := 1)"),
    (TRIGGERED, "plc[PLC_TRIG_ID_2] := TRIG_ID;\n    plc[PLC_RECIPE]", "plc[PLC_RECIPE]"),
    (TRIGGERED, "UDINT_TO_UINT(EYE_ENCODER / 65536)", "0"),
    (TRIGGERED, "silence(IN := FALSE, PT := T#500ms);", ""),
    (TRIGGERED, "silence(IN := beat_ever, PT := T#500ms)", "silence(IN := beat_ever, PT := T#600ms)"),
    (TRIGGERED, "beat_known AND vision", "vision"),
    (LEVEL, " AND NOT raised", ""),
    (LEVEL, " AND (vision[VISION_STATUS] / 2) MOD 2 = 1", ""),
    (LEVEL, " OR (vision[VISION_STATUS] / 4) MOD 2 = 1", ""),
    (LEVEL, "unanswered.Q OR ", ""),
    (LEVEL, "    ELSIF NOT acknowledged THEN\n", "    ELSE\n"),
    (LEVEL, "        acknowledged := FALSE;\n", ""),
    (TRIGGERED, "IF vision[VISION_RESULT_SEQ] = vision[VISION_RESULT_SEQ_2] THEN", "IF TRUE THEN"),
    (FREE, "copy_used[place] := FALSE;", ""),
    (FREE, "recipe_since[i] >= recipe_travel", "recipe_since[i] >= 0"),
    (FREE, "matches > 1", "matches > 2"),
    (FREE, "copy_travel[place] := 0;", ""),
    (FREE, "copy_travel[i] := copy_travel[i] + moved;", ""),
    (FREE, "(p_crc := check, p_number := recipe_then)", "(p_crc := check, p_number := RECIPE)"),
    (FREE, "due := place;", ""),
)
