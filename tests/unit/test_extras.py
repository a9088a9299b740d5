"""Packages that few studies need are asked for by the name of their extra."""

import pytest

from hanas.core import extras
from hanas.core.errors import InputError


def test_what_is_not_there_is_named_with_how_to_install_it():
    extras.require("json", "analytic")
    with pytest.raises(
        InputError, match=r"nowhere is not installed.*pip install 'hanas\[analytic\]'"
    ):
        extras.require("nowhere", "analytic")
