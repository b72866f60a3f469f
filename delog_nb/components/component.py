"""A component is one gradient flow: the layers it owns and a local objective.

Nothing flows back from one component into another: the loop hands each one detached features.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components.batch import Batch
from delog_nb.experiment import ExperimentError
from delog_nb.nets import Backbone

# makes the experiment's network; ``pooled=False`` leaves out its final pooling, ``opening=layer``
# puts a layer before block 1
NetMaker = Callable[..., Backbone]


class Objective(nn.Module):
    """A local loss on a component's features.

    ``forward(r, batch)``: from features r_l (N, C, H, W) (logits (N, classes) after the last layer)
    the loss, a scalar; or (loss, target), where the next component is to learn another target than
    this one. The component detaches it.

    A loss that compares samples with one another takes them through ``batch.join``, so that data
    parallelism shows it the samples of all processes.
    """

    short = "loss"  # its name in figures
    needs: tuple[str, ...] = ()  # of a batch beyond labels, target and samples: ``inputs``

    def forward(self, r: Tensor, batch: Batch) -> Tensor | tuple[Tensor, Tensor]:
        raise NotImplementedError

    def way_out(self) -> nn.Module | None:
        """What turns the component's features into logits, if anything here does."""
        return None

    def projection_head(self) -> nn.Module | None:
        """What turns them into the vectors that the loss compares, if anything here does."""
        return None


class Terms(Objective):
    """A weighted sum of objectives on the same features.

    At most one of them returns a target for the next component.

    >>> both = Terms([(1.0, CrossEntropy()), (0.5, CrossEntropy())])
    >>> logits, batch = torch.zeros(4, 10), Batch.of(torch.arange(4))
    >>> round(both(logits, batch).item() / CrossEntropy()(logits, batch).item(), 6)
    1.5
    """

    def __init__(self, terms: Iterable[tuple[float, Objective]]) -> None:
        super().__init__()
        weights, objectives = zip(*terms, strict=True)
        self.weights, self.terms = weights, nn.ModuleList(objectives)
        self.short = " + ".join(objective.short for objective in objectives)
        self.needs = tuple(dict.fromkeys(n for objective in objectives for n in objective.needs))

    def forward(self, r: Tensor, batch: Batch) -> Tensor | tuple[Tensor, Tensor]:
        returned = [objective(r, batch) for objective in self.terms]
        losses = [made if isinstance(made, Tensor) else made[0] for made in returned]
        targets = [made[1] for made in returned if not isinstance(made, Tensor)]
        if len(targets) > 1:
            raise ExperimentError(f"{len(targets)} terms of one objective return a target: one may")
        loss = torch.stack([w * x for w, x in zip(self.weights, losses, strict=True)]).sum()
        return (loss, targets[0]) if targets else loss

    def _first(self, ask: Callable[[Objective], nn.Module | None]) -> nn.Module | None:
        found = (ask(term) for term in self.terms if isinstance(term, Objective))
        return next((module for module in found if module is not None), None)

    def way_out(self) -> nn.Module | None:
        return self._first(lambda term: term.way_out())

    def projection_head(self) -> nn.Module | None:
        return self._first(lambda term: term.projection_head())


def modules_of(objective: nn.Module) -> Iterator[nn.Module]:
    """The modules that an objective computes with; those of its terms, where it has terms."""
    for child in objective.children():
        if isinstance(child, (Objective, nn.ModuleList)):
            yield from modules_of(child)
        else:
            yield child


class CrossEntropy(Objective):
    """Cross-entropy of the component's own output, the logits: L_OUT of the paper."""

    short = "CE"

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(r, batch.labels)

    def way_out(self) -> nn.Module:
        return nn.Identity()


class Component(nn.Module):
    """Layers that are trained by one local loss.

    Args:
        layers: the network's layers that this component owns, in order
        objective: turns their output into the local loss
        inside: objectives on the output of single layers below the last, by the layer's number from
            1; their losses are added to that of ``objective``. The gradient of each goes through
            all layers up to its own (the long flow, with local losses)
        own_rate: modules of the objective with a learning rate of their own, and that rate; None
            for the run's
    """

    def __init__(
        self,
        layers: Iterable[nn.Module],
        objective: Objective,
        own_rate: tuple[Sequence[nn.Module], float | None] | None = None,
        inside: Mapping[int, Objective] | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.objective = objective
        self.own_rate = own_rate
        for place in inside or {}:
            if not 1 <= place < len(self.layers):
                raise ExperimentError(
                    f"an objective inside, after layer {place}, is not allowed: from 1 to "
                    f"{len(self.layers) - 1}, below the last layer"
                )
        self.inside = nn.ModuleDict(
            {str(place): goal for place, goal in sorted((inside or {}).items())}
        )

    def forward(self, r: Tensor, batch: Batch) -> tuple[Tensor, Batch, Tensor]:
        """Features of the component below -> own features, batch for the next one, local loss."""
        losses = []
        for place, layer in enumerate(self.layers, 1):
            r = _in_step(layer(r))
            if str(place) in self.inside:
                losses.append(_loss_of(self.inside[str(place)](r, batch)))
        returned = self.objective(r, batch)
        losses.append(_loss_of(returned))
        if not isinstance(returned, Tensor):
            batch = replace(batch, target=returned[1].detach())
        return r, batch, torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    @property
    def needs(self) -> set[str]:
        """What its objectives need of a batch beyond labels, target and samples."""
        goals = [goal for goal in self.modules() if isinstance(goal, Objective)]
        return {name for goal in goals for name in goal.needs}

    @property
    def flow_length(self) -> int:
        """Local gradients in the longest product that this component's loss needs (Eq. 1, 4, 5).

        One for the loss by the objective's output, one for the objective's parameters if it has
        any, one for each layer.
        """
        return 1 + any(True for _ in self.objective.parameters()) + len(self.layers)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """Parameters with their learning rates, as an optimizer takes them."""
        modules, own_rate = self.own_rate or ((), lr)
        special = [p for module in modules for p in module.parameters()]
        ids = {id(p) for p in special}
        rest = [p for p in self.parameters() if id(p) not in ids]
        groups: list[dict[str, Any]] = [{"params": rest, "lr": lr}]
        if special:
            groups.append({"params": special, "lr": own_rate or lr})
        return groups


def _in_step(r: Tensor) -> Tensor:
    """``r``, whose gradient comes back in r's memory format.

    What flattens channels-last features hands back a gradient in the other order, and an
    activation's backward pass over two orders takes longer than over one, the copy included.
    """
    if r.requires_grad and r.dim() == 4 and r.is_contiguous(memory_format=torch.channels_last):
        r.register_hook(lambda grad: grad.contiguous(memory_format=torch.channels_last))
    return r


def _loss_of(returned: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return returned if isinstance(returned, Tensor) else returned[0]


class Method(nn.Module):
    """Components in order; how they predict; which parameters that takes.

    ``components`` is what the training loop goes through. By default, inference is the components'
    own layers one after another (Eq. 6).
    """

    def __init__(self, components: Iterable[Component]) -> None:
        super().__init__()
        self.components = nn.ModuleList(components)

    def parts(self) -> list[Component]:
        """The components, typed."""
        return [part for part in self.components if isinstance(part, Component)]

    @property
    def needs(self) -> set[str]:
        """What its components need of a batch beyond labels, target and samples."""
        return set[str]().union(*(part.needs for part in self.parts()))

    def inference_modules(self) -> list[nn.Module]:
        """The modules that a prediction runs through, in order."""
        return [component.layers for component in self.parts()]

    def predict(self, images: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) -> logits (B, classes)."""
        r = images
        for module in self.inference_modules():
            r = module(r)
        return r

    def ways_out(self) -> list[nn.Module | None]:
        """For each component, the way from its features to logits; None where there is none."""
        return [part.objective.way_out() for part in self.parts()]

    def exits(self, images: Tensor) -> list[Tensor | None]:
        """Normalised images (B, C, H, W) -> the logits (B, classes) of each component's way out."""
        found: list[Tensor | None] = []
        r = images
        for part, way in zip(self.parts(), self.ways_out(), strict=True):
            r = part.layers(r)
            found.append(None if way is None else way(r))
        return found

    def per_image(self, r: Tensor) -> Tensor:
        """Features as they leave a layer -> rows that are images; other than as they are where a
        method trains on parts of images.
        """
        return r

    def effective_parameters(self) -> list[nn.Parameter]:
        """The parameters that take part in inference."""
        return [p for module in self.inference_modules() for p in module.parameters()]

    def affiliated_parameters(self) -> list[nn.Parameter]:
        """The parameters that are used in training alone."""
        effective = {id(p) for p in self.effective_parameters()}
        return [p for p in self.parameters() if id(p) not in effective]


def cut(layers: Sequence[nn.Module], count: int) -> list[list[nn.Module]]:
    """``layers`` as ``count`` runs of nearly equal length, the longer ones last.

    >>> [len(run) for run in cut([nn.Identity()] * 5, 3)]
    [1, 2, 2]

    Raises:
        ValueError: ``count`` is below 1 or above the number of layers.
    """
    if not 1 <= count <= len(layers):
        raise ValueError(
            f"cannot cut {len(layers)} layers into {count} components: from 1 to {len(layers)}"
        )
    ends = [len(layers) * k // count for k in range(count + 1)]
    return [list(layers[a:b]) for a, b in itertools.pairwise(ends)]


def cut_with_objectives(
    backbone: Backbone,
    count: int,
    objective_after: Callable[[int], Objective],
    uncut: int = 0,
) -> Method:
    """Cut f_1 ... f_{H+1} into ``count`` components; the last one ends in the cross-entropy.

    ``objective_after(l)`` makes the local objective of a component whose last block is f_l; they
    are made from the first to the last. ``uncut`` layers at the end go to the last component, above
    those that are cut.
    """
    layers = backbone.layers()
    free = len(layers) - uncut
    runs = cut(layers[:free], count)
    runs[-1] += layers[free:]
    ends = itertools.accumulate(len(run) for run in runs[:-1])
    objectives = [*(objective_after(end) for end in ends), CrossEntropy()]
    return Method(Component(run, goal) for run, goal in zip(runs, objectives, strict=True))


def count_parameters(parameters: Iterable[torch.Tensor]) -> int:
    """Number of scalars in ``parameters``."""
    return sum(p.numel() for p in parameters)
