"""The code of the job."""
