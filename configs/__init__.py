"""Example lines and the bundle that the demonstration runs with (data only)."""
