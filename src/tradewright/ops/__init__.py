"""Running the platform: logs, traces, metrics, health, owned tasks; no rule of trading."""
