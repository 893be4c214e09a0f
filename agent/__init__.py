"""What happens to a part: the line loop, verdicts, supervision, records and the `inspectd` command."""
