"""Containers and Towline itself as devices of Home Assistant, over MQTT discovery."""
