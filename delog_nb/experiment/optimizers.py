"""The optimizers that a run can choose from: those of `torch.optim`, by name."""

from typing import NamedTuple


class Optimizer(NamedTuple):
    """A class of `torch.optim`, the fields that it reads beside lr and weight_decay, its kernel."""

    name: str
    reads: tuple[str, ...] = ()
    fused: bool = True  # whether it has a kernel that takes all parameters at once


OPTIMIZERS = {
    "adam": Optimizer("Adam"),
    "adamw": Optimizer("AdamW"),
    "sgd": Optimizer("SGD", ("momentum",)),
}
