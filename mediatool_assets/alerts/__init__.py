"""Alerts: what is sent when a run, a check or a schedule fails."""
