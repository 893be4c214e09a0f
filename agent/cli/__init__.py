"""The `inspectd` command."""
