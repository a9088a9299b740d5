"""Errors that a user can act on."""


class InputError(ValueError):
    """Something the user gave (a file, a table, a setting) cannot be used.

    The message names the place (file, key, row or column), what is wrong with it and what to do.
    """


def one_line(error: BaseException) -> str:
    r"""Return the text of ``error`` on a single line, for quoting it inside another message.

    >>> one_line(ValueError("a\n  b"))
    'a b'
    """
    return " ".join(str(error).split()) or type(error).__name__
