"""What the commands do that ask a running Towline or only read a file."""
