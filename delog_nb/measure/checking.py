"""Whether a method keeps what every method promises: `delog_nb.check_method`."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components.batch import Batch, in_one_order, rows_of
from delog_nb.components.component import Component, Method
from delog_nb.data import shape
from delog_nb.experiment import Experiment
from delog_nb.training import local_losses

_IMAGES = 6
_TOLERANCE = 1e-6  # of losses in float64, as a share


def check_method(method: str | Method, **choices: Any) -> list[str]:
    """What is wrong with a method, in plain sentences; none is what one hopes for.

    A gradient that reaches another component, a parameter that never learns, a loss that is not
    finite or no scalar, samples that are compared without ``batch.join``. It is tried on two
    batches of made-up images in float64; what two processes make of one is compared with BatchNorm
    in evaluation mode.

    Args:
        method: its name, or one that is built
        choices: fields and options of the `Experiment` that it is tried with (preset ``quick``)

    Raises:
        ExperimentError: there is no such method, or it refuses these choices.

    >>> check_method("delog-scl", net="vgg", width=0.05)
    []
    """
    if isinstance(method, Method):
        experiment = Experiment(**{"preset": "quick"} | choices)
    else:
        experiment = Experiment(**{"preset": "quick", "method": method} | choices)
        method = methods.build(experiment)
    method = method.double()
    image, classes = shape(experiment)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2 * _IMAGES, *image, generator=generator, dtype=torch.float64)
    labels = torch.arange(_IMAGES).remainder(min(classes, 3)).repeat(2)
    batch = Batch.of(labels, torch.arange(_IMAGES).repeat(2), inputs=images.sigmoid())
    found = list(dict.fromkeys(_faults(method, images, batch)))
    _norms(method, training=False)  # their batch's own statistics are no comparison of ours
    return found or list(_unjoined(method.parts(), images, batch))


def _norms(method: nn.Module, *, training: bool) -> None:
    """Let BatchNorm use its batch's statistics, or those that it has gathered."""
    for module in method.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(training)


def _faults(method: Method, images: Tensor, batch: Batch) -> Iterator[str]:
    """Gradients that leak or are missing, and losses that are none."""
    parts = method.parts()
    learned: set[str] = set()
    # a parameter may get its first gradient once others have moved, and units that are dead with
    # one kind of statistics live with the other
    for training in (False, True):
        _norms(method, training=training)
        kept: list[tuple[int, Tensor]] = []
        for number, made in enumerate(local_losses(parts, images, batch), 1):
            if made.loss.ndim or not made.loss.isfinite():
                kind = "is not finite" if not made.loss.ndim else f"has shape {(*made.loss.shape,)}"
                yield f"the loss of component {number} {kind}: it has to be a finite scalar"
                return
            if not made.loss.requires_grad:
                yield f"the loss of component {number} depends on no parameter: it trains nothing"
                return
            kept.append((number, made.loss))
        found: list[tuple[nn.Parameter, Tensor]] = []
        for number, loss in kept:
            method.zero_grad()
            loss.backward(retain_graph=True)
            gradients = {n: p.grad for n, p in method.named_parameters() if p.grad is not None}
            found += [(p, p.grad) for p in method.parameters() if p.grad is not None]
            reached = {_owner(name) for name in gradients}
            learned |= {name for name, gradient in gradients.items() if gradient.any()}
            for other in sorted(reached - {number}):
                yield (
                    f"the loss of component {number} has a gradient for component {other}: use "
                    f"detach() on what comes from there"
                )
        with torch.no_grad():
            for p, gradient in found:
                p.sub_(gradient, alpha=1e-3)
    for name, p in method.named_parameters():
        if p.requires_grad and name not in learned:
            yield (
                f"parameter {name} never gets a gradient: use it in the loss, or set "
                f"requires_grad to False"
            )


def _owner(name: str) -> int:
    """The component that a parameter of this name belongs to, from 1."""
    return int(name.split(".")[1]) + 1


def _unjoined(parts: list[Component], images: Tensor, batch: Batch) -> Iterator[str]:
    """Components whose loss differs when two processes share the batch."""
    r: Tensor = images
    for number, part in enumerate(parts, 1):
        if _draws(part, r, batch):
            return  # each process draws numbers of its own: the losses need not be equal
        whole_r, whole_batch, whole = part(r.detach(), batch)
        shared = sum(weight * loss.item() for weight, loss in _of_two(part, r.detach(), batch))
        if abs(shared - whole.item()) > _TOLERANCE * max(1.0, abs(whole.item())):
            yield (
                f"the loss of component {number} is {whole.item():.6g} on a batch, and "
                f"{shared:.6g} where two processes share it: what compares samples takes "
                f"them through batch.join"
            )
        r, batch = whole_r, whole_batch


def _draws(part: Component, r: Tensor, batch: Batch) -> bool:
    """Whether the component draws random numbers."""
    own = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before = torch.get_rng_state(), own.get_state()
        part(r.detach(), replace(batch, generator=own))
        after = torch.get_rng_state(), own.get_state()
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def _of_two(part: Component, r: Tensor, batch: Batch) -> Iterator[tuple[float, Tensor]]:
    """(share of the batch, loss) of each of two processes that share it.

    Both run twice: first to say what they join, then with what the other one said.
    """
    shares = torch.arange(_IMAGES).split([_IMAGES // 3, _IMAGES - _IMAGES // 3])
    counts = [len(share) for share in shares]
    said: list[list[tuple[Tensor, Tensor]]] = []
    for images in shares:
        said.append([])

        def listen(
            z: Tensor, labels: Tensor, own: list[tuple[Tensor, Tensor]] = said[-1]
        ) -> tuple[Tensor, Tensor]:
            own.append((z, labels))
            return z, labels

        part(*_rows_of(images, r, batch, listen))
    for images in shares:
        turn = iter(zip(*said, strict=True))

        def join(*_: Tensor, turn: Any = turn) -> tuple[Tensor, Tensor]:
            z, labels = (in_one_order(rows, counts) for rows in zip(*next(turn), strict=True))
            return z, labels

        loss = part(*_rows_of(images, r, batch, join))[2]
        yield len(images) / _IMAGES, loss


def _rows_of(
    images: Tensor, r: Tensor, batch: Batch, join: Callable[..., Any]
) -> tuple[Tensor, Batch]:
    """Features and batch of the samples of ``images``, any whole number of rows each."""

    def take(rows: Tensor) -> Tensor:
        return rows_of(images, rows, _IMAGES)

    own = replace(
        batch,
        labels=take(batch.labels),
        target=take(batch.target),
        samples=take(batch.samples),
        inputs=None if batch.inputs is None else take(batch.inputs),
        join=join,
    )
    return take(r), own
