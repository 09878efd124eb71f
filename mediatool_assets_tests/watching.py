"""The alert sensor, ticked in this process."""

import dagster as dg

from mediatool_assets.alerts.assets import alert_sensor


class Watch:
    """Evaluates the alert sensor as the daemon does, its first tick at once."""

    def __init__(self, instance: dg.DagsterInstance, definitions: dg.Definitions) -> None:
        self.instance = instance
        self.definitions = definitions
        self.cursor: str | None = None
        self.said = self.tick()

    def tick(self) -> str:
        """Evaluate the sensor, and keep its cursor."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=self.definitions.get_repository_def(),
        )
        found = alert_sensor.evaluate_tick(context)
        self.cursor = found.cursor
        return found.skip_message or ""
