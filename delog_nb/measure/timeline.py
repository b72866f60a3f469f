"""Who waits for whom when every layer has a machine of its own: derived, not measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """What a layer does with a batch, and when; layers and batches count from 1."""

    layer: int
    batch: int
    kind: str  # forward or backward
    start: float
    end: float


def bp_timeline(layers: int, batches: int, backward: float = 1) -> list[Slot]:
    """Up through all layers and down again, batch after batch; a forward pass takes 1 unit.

    The next batch waits for the update of layer 1, which comes last.
    """
    slots = []
    now = 0.0
    for batch in range(1, batches + 1):
        for layer in range(1, layers + 1):
            slots.append(Slot(layer, batch, "forward", now, now + 1))
            now += 1
        for layer in range(layers, 0, -1):
            slots.append(Slot(layer, batch, "backward", now, now + backward))
            now += backward
    return slots


def component_timeline(layers: int, batches: int, backward: float = 1) -> list[Slot]:
    """Table 1 of the paper: task l (forward and backward of component l) follows task l - 1.

    Every layer is a component. Component l works on batch B_t as the (t + l - 1)-th task.
    """
    slots = []
    for batch in range(1, batches + 1):
        for layer in range(1, layers + 1):
            begin = (batch + layer - 2) * (1 + backward)
            slots.append(Slot(layer, batch, "forward", begin, begin + 1))
            slots.append(Slot(layer, batch, "backward", begin + 1, begin + 1 + backward))
    return slots


def waiting(slots: list[Slot], layer: int, batch: int = 1) -> float:
    """Time between a layer's forward pass on a batch and its backward pass on it."""
    own = {slot.kind: slot for slot in slots if (slot.layer, slot.batch) == (layer, batch)}
    return own["backward"].start - own["forward"].end


def busy_share(slots: list[Slot]) -> float:
    """Share of all machines' time, from the first slot to the last, in which they work."""
    layers = len({slot.layer for slot in slots})
    return sum(slot.end - slot.start for slot in slots) / (layers * max(slot.end for slot in slots))
