"""The local Amazon Braket service; it knows the rest of the local AWS only by `platform`."""
