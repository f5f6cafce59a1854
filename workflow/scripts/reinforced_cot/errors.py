"""Errors that a user can mend: each message names the file, line or key and says what to do."""


class PipelineError(Exception):
    """Bad input or a broken contract; a stage script prints the message without a traceback and exits with 1."""


class ConfigError(PipelineError):
    """The configuration is refused; the message lists every problem with its key."""


class DataError(PipelineError):
    """A data file is refused; the message names the file and, where there is one, the line."""
