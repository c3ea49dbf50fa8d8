"""Alerts: rules over records and container events. They read the same store as everybody else."""
