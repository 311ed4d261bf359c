"""The command line, and what pipelines call."""
