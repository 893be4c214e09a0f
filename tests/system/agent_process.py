"""The agent with the oracle in place of an engine: `agent_process.py CONFIG [--without CLAUSE ...]`.

`--without` takes a clause out of the accept rule, for the mutation tests; `ledger_deadline` takes out the
ledger's own.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from oracle import load_oracle

from inspectd.agent import ledger, verdict
from inspectd.agent.cli.output import fail
from inspectd.agent.cli.run import run_station
from inspectd.agent.errors import AgentError
from inspectd.agent.ledger import OpenPart
from inspectd.agent.station import Parts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--without", action="append", default=[])
    options = parser.parse_args()
    without = set(options.without)
    if "ledger_deadline" in without:
        without.remove("ledger_deadline")
        ledger.Ledger.expire = _never_expire
        ledger.Ledger.settle = _settle_at_any_time
    names = {clause.__name__ for clause in verdict.CLAUSES}
    assert without <= names, f"no such clause: {without - names}"
    verdict.CLAUSES = tuple(clause for clause in verdict.CLAUSES if clause.__name__ not in without)
    try:
        run_station(options.config, "info", Parts(load_scorer=load_oracle))
    except AgentError as error:
        fail(str(error))


def _never_expire(_self: ledger.Ledger, _now: float) -> list[OpenPart]:
    return []


def _settle_at_any_time(self: ledger.Ledger, part_id: int, _now: float) -> OpenPart | None:
    with self._lock:
        return self._open.pop(part_id, None)


if __name__ == "__main__":
    main()
