"""The MQTT connection and its topics."""
