"""Cameras and PLC links: one small protocol each, one file per device family, and a simulated twin of each."""
