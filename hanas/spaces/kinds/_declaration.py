"""What a declaration is: an entry of the section ``spaces`` of a study, or a YAML file."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from pydantic import model_validator

from hanas.core.settings import Settings
from hanas.spaces._space import Space


class Declaration(Settings):
    """A search space as data; ``kind`` says of what kind it is."""

    kind: Any  # of each class a Literal with its name

    @abstractmethod
    def space(self, name: str) -> Space:
        """Return the space; InputError, which names the wrong key first, if there is none."""

    @model_validator(mode="after")
    def _is_a_space(self) -> Self:
        self.space("checked")
        return self
