"""The two kinds of failure that a person can act on, and the exit codes that scripts see."""

EXIT_USER = 2
"""The settings, files or addresses that the user gave are wrong; running again changes nothing."""
EXIT_SERVICE = 75
"""A service failed for now (EX_TEMPFAIL of sysexits.h); running the same command again goes on."""


class UserError(ValueError):
    """A mistake in what the user gave: names the file or key, the value and what is allowed."""


class ServiceError(RuntimeError):
    """A service that the run depends on stayed broken; what was finished is kept."""
