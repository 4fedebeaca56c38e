"""The local AWS: MiniStack with an Amazon Braket service that really runs hybrid jobs."""
