"""What can be done when something happens: publish, http, notify, log. One way for all who ask."""
