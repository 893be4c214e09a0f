"""The agent's own errors. Each text says what is wrong, where, and what to do about it."""


class AgentError(Exception):
    """Anything that keeps the agent from running as configured."""


class ConfigError(AgentError):
    """A configuration that is not valid; `problems` holds one text for each thing wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RecordError(AgentError):
    """The record of verdicts cannot be kept."""
