"""A small VISA: the admin API, the jobs and the scientists that a migration has to get along with."""

from lab.visa.process import VisaLab

__all__ = ["VisaLab"]
