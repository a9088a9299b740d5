"""Settings that most meters share."""

from __future__ import annotations

from dataclasses import dataclass

from hanas.core.settings import check_choice, check_number


@dataclass(frozen=True)
class PassSettings:
    """How the passes of a model are made.

    Parameters
    ----------
    threads
        CPU threads.
    warmup
        Passes before the first that counts.
    passes
        Passes that count.
    batch
        Images of a pass.
    precision
        ``float32`` or ``int8``: which form of the model is measured.
    """

    threads: int = 1
    warmup: int = 20
    passes: int = 400
    batch: int = 1
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_number("threads", self.threads, at_least=1, whole=True)
        check_number("warmup", self.warmup, at_least=0, whole=True)
        check_number("passes", self.passes, at_least=1, whole=True)
        check_number("batch", self.batch, at_least=1, whole=True)
        check_choice("precision", self.precision, ("float32", "int8"))
