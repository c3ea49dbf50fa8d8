"""What is listened to on MQTT, and what is done when something comes."""
