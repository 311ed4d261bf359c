"""A small VISA: the admin API, the jobs and the scientists that a migration has to get along with."""
