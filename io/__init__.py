"""Cameras and PLC links: a small protocol each, one file per device family, a simulated twin of each."""
