"""Errors of the client, with messages for people."""


class ClientSideError(Exception):
    """Something that a user can fix; the message is for people."""


class JobNotFoundError(ClientSideError):
    """No job matches a reference, or several do."""


class ResultsError(ClientSideError):
    """The results of a job cannot be read."""


class SweepNotFoundError(ClientSideError):
    """No sweep matches a reference, or several do, or it was never started."""


class SweepUnfinishedError(ClientSideError):
    """A sweep has not written its results yet."""
