r"""What features still hold of an image, and what they have become blind to.

A linear probe on features that were frozen is asked four questions: which class is it, by how much
was the image turned, was it mirrored, were its colours changed. Where a probe does no better than
chance, the features hold nothing of the answer that a linear classifier could use: they are
invariant to that change. Asked of r_l and of z_l = g_l(r_l), the answers say what is lost in the
head and what was lost before it (Chen et al., 2020, Table 3).
"""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components.component import Method
from delog_nb.data import ImageData, Split
from delog_nb.data.images import stratified
from delog_nb.data.views import change_colours
from delog_nb.experiment import RecordError
from delog_nb.instruments.files import MEGABYTE, read_text, write_atomically
from delog_nb.instruments.run_files import PROBES
from delog_nb.measure.probes import as_vectors, block_outputs, linear_probe
from delog_nb.training import Run

IMAGES = 2000


@dataclass(frozen=True)
class Probe:
    """One linear probe.

    ``features``: ``r`` (r_l, pooled to 4 x 4), ``z`` (g_l(r_l), of norm 1) or ``z0`` (the same
    through the head as it was before training: what is lost by its shape alone). ``accuracy`` and
    ``chance`` are shares of test images; chance is the best that one answer for all images does.
    ``images`` is how many training images it was fitted to: with few, a probe reads less than is
    there.
    """

    block: int
    features: str
    task: str
    accuracy: float
    chance: float
    images: int


@dataclass(frozen=True)
class Change:
    """A question about an image: which of ``choices`` changes was made to it.

    ``make`` changes uint8 images (B, C, H, W) as number ``choice`` says; 0 leaves them.
    """

    question: str
    choices: int
    make: Callable[[Tensor, int], Tensor]


def _rotate(images: Tensor, choice: int) -> Tensor:
    return images.rot90(choice, (2, 3))


def _flip(images: Tensor, choice: int) -> Tensor:
    return images.flip(-1) if choice else images


def _recolour(images: Tensor, choice: int) -> Tensor:
    if not choice:
        return images
    pixels = images.float()
    count = len(images)
    change_colours(pixels, pixels.new_ones(count, 4), pixels.new_zeros(count))
    return pixels.round_().to(torch.uint8)


CLASS = "class"
CHANGES = {
    "rotation": Change("turned by 0, 90, 180 or 270 degrees", 4, _rotate),
    "flip": Change("mirrored left to right, or not", 2, _flip),
    "colour": Change("the strong view's colour changes at full strength, or none", 2, _recolour),
}
TASKS = (CLASS, *CHANGES)


def ask(split: Split, task: str, count: int, seed: int, *, every: bool = False) -> Split:
    """At most ``count`` images of ``split`` for a task, with its answers as labels.

    Classes keep their shares, and every answer is given to equally many images, which follow from
    ``seed`` alone; or, with ``every``, each image is there once for each answer.
    """
    generator = torch.Generator().manual_seed(seed * len(TASKS) + TASKS.index(task))
    chosen = _take(split, count, seed)
    if task == CLASS:
        return chosen
    change = CHANGES[task]
    if every:
        made = torch.cat([change.make(chosen.images, k) for k in range(change.choices)])
        answers = torch.arange(change.choices).repeat_interleave(len(chosen))
        return Split(made, answers.to(chosen.labels.device))
    answers = torch.randperm(len(chosen), generator=generator) % change.choices
    images = chosen.images.clone()
    for choice in range(change.choices):
        own = answers == choice
        images[own] = change.make(chosen.images[own], choice)
    return Split(images, answers.to(chosen.labels.device))


def _take(split: Split, count: int, seed: int) -> Split:
    if count >= len(split):
        return split
    labels = split.labels.cpu().numpy()
    index = stratified(labels, count, np.random.default_rng(seed))
    return split.take(torch.from_numpy(index).to(split.labels.device))


def heads_by_block(method: Method) -> dict[int, nn.Module]:
    """The projection head that stands after block l, by l from 1; empty for methods without."""
    heads: dict[int, nn.Module] = {}
    block = 0
    for part in method.parts():
        block += len(part.layers)
        head = part.objective.projection_head()
        if head is not None:
            heads[block] = head
    return heads


Place = tuple[int, str]  # block from 1, and r, z or z0


@torch.no_grad()
def features(run: Run, images: ImageData, split: Split) -> dict[Place, Tensor]:
    """r_l of every block, z_l and z0_l of those with a head: (N, D) in float32, by (l, name)."""
    heads = {"z": heads_by_block(run.model)}
    if heads["z"]:
        first = methods.build(run.experiment).to(run.device).eval()
        heads["z0"] = heads_by_block(first)
    parts_by_place: dict[Place, list[Tensor]] = {}
    for outputs in block_outputs(run, images, split):
        for block, r in enumerate(outputs, 1):
            parts_by_place.setdefault((block, "r"), []).append(as_vectors(r))
            for name, by_block in heads.items():
                if block in by_block:
                    z = by_block[block](r)
                    parts_by_place.setdefault((block, name), []).append(
                        F.normalize(z.float(), dim=1)
                    )
    return {place: torch.cat(parts) for place, parts in parts_by_place.items()}


def probe_run(
    run: Run,
    images: ImageData,
    count: int = IMAGES,
    *,
    tasks: Iterable[str] = TASKS,
    test_count: int | None = None,
    every: bool = False,
) -> list[Probe]:
    """All probes of a trained run, by task, block and features.

    Args:
        run: a run with its weights
        images: with the mean and deviation that it was trained with; its own images, or others
        count: training images that a probe is fitted to, and test images that score it, at most
        tasks: which of `TASKS`
        test_count: test images, where they are not ``count``
        every: ask of each image with each answer, which takes longer and varies less
    """
    seed = run.experiment.seed
    rows = []
    for task in tasks:
        train = ask(images.train, task, count, seed, every=every)
        test = ask(images.test, task, test_count or count, seed, every=every)
        chance = test.labels.bincount().max().item() / len(test)
        fitted, scored = features(run, images, train), features(run, images, test)
        for place in sorted(fitted):
            accuracy = linear_probe((fitted[place], train.labels), (scored[place], test.labels))
            rows.append(Probe(*place, task, accuracy, chance, len(train)))
    return rows


def write_probes(probes: Iterable[Probe], folder: Path) -> Path:
    """Write ``probes.csv`` in a run's folder, in one piece, and return its path."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Probe)])
    writer.writeheader()
    writer.writerows(asdict(probe) for probe in probes)
    with write_atomically(folder / PROBES) as file:
        file.write(text.getvalue().encode())
    return folder / PROBES


def read_probes(folder: Path) -> list[Probe]:
    """The probes in a run's folder.

    Raises:
        RecordError: they cannot be read, in one sentence that names the file.
    """
    path = folder / PROBES
    try:
        text = read_text(path, 50 * MEGABYTE)
        return [
            Probe(
                int(row["block"]), row["features"], row["task"], *_shares(row), int(row["images"])
            )
            for row in csv.DictReader(io.StringIO(text))
        ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RecordError(f"{path} does not hold readable probes: {error}") from error


def _shares(row: dict[str, str]) -> tuple[float, float]:
    accuracy, chance = float(row["accuracy"]), float(row["chance"])
    if not (0 <= accuracy <= 1 and 0 <= chance <= 1):
        raise ValueError(f"accuracy = {accuracy} and chance = {chance} are not both from 0 to 1")
    return accuracy, chance
