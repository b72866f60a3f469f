"""Features in motion: r_l or z_l of some test images, kept while a network trains.

Kept are r_l as means over positions, or z_l of norm 1, before training and after some twenty
epochs. At the end each block is reduced to principal components over all of these epochs, and
turned (orthogonal Procrustes) towards the block above it: an image lies in a like place in each.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, PngImagePlugin
from torch import Tensor

from delog_nb.data import ImageData, Split
from delog_nb.experiment import Experiment, ExperimentError, RecordError
from delog_nb.instruments.files import MEGABYTE, read_bytes, write_atomically
from delog_nb.instruments.run_files import FEATURES, FEATURES_PART
from delog_nb.measure.invariance import heads_by_block
from delog_nb.measure.probes import block_outputs
from delog_nb.training import Ended, EpochEnded, Event, Run, Started, train

IMAGES, EPOCHS, DIMENSIONS = 200, 20, 16
SPRITE_COLUMNS = 20  # of the sprite
_MOST = 100 * MEGABYTE
_FEWEST = 10  # kinds of values in some dimension, or features were rounded to next to nothing
_LEVELS = 127  # scores are kept as whole numbers from -127 to 127
Arrays = dict[str, npt.NDArray[Any]]
Look = Callable[[Run, ImageData, Tensor], list[Tensor]]  # what a block is, of images by number


@dataclass(frozen=True)
class Features:
    """Where test images lie, block by block, while a network trains.

    Args:
        epochs: after which the features are; 0 is before training
        images: (N,) numbers of the test images
        labels: (N,)
        scores: (epochs, H, N, 16), in the order of what the last block's components explain
        shares: (H,) the share of a block's variance that its components hold, 0 to 1
        sprite: the images, 20 to a row, as a PNG; empty where that file is missing
    """

    epochs: list[int]
    images: list[int]
    labels: list[int]
    scores: npt.NDArray[np.float32]
    shares: list[float]
    sprite: bytes


def kept_epochs(epochs: int) -> list[int]:
    """0, and up to 19 others to the last, further and further apart.

    >>> kept_epochs(3), kept_epochs(150)
    ([0, 1, 2, 3], [0, 1, 2, 4, 7, 10, 15, 20, 27, 34, 42, 50, 60, 70, 81, 93, 106, 120, 135, 150])
    """
    last = EPOCHS - 1
    return sorted({min(epochs, max(k, round(epochs * (k / last) ** 2))) for k in range(EPOCHS)})


class FeatureKeeper:
    """Listens to a training run, and leaves ``features.npz`` in ``folder`` when it has finished.

    What is kept so far stands in a file beside it, so that a run that is resumed has all.

    Args:
        folder: of the run
        look: what is kept of each block: (N, D), such as `head_outputs`; default: `block_means`

    Raises:
        ReadError, RecordError: that file is damaged.
        WriteError: the folder cannot be written.
    """

    def __init__(self, folder: Path, look: Look | None = None) -> None:
        self.folder, self.part = folder, folder / FEATURES_PART
        self.look = look or block_means

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.run, self.images = event.run, event.images
            count = min(IMAGES, len(event.images.test))
            spread = torch.linspace(0, len(event.images.test) - 1, count)
            self.chosen = spread.round().long()  # evenly: files come class by class
            self.wanted = kept_epochs(event.epochs)
            if event.epoch == 0:
                self.part.unlink(missing_ok=True)
                self._keep(0)
        elif isinstance(event, EpochEnded) and event.row["epoch"] in self.wanted:
            self._keep(int(event.row["epoch"]))
        elif isinstance(event, Ended) and not (event.run.stopped or event.run.diverged):
            self._finish()

    def _keep(self, epoch: int) -> None:
        rows = self.look(self.run, self.images, self.chosen)
        found = _arrays(self.part) if self.part.exists() else {}
        found |= {f"{epoch}-{block}": own.numpy() for block, own in enumerate(rows)}
        _write(self.part, found)

    def _finish(self) -> None:
        found = _arrays(self.part) if self.part.exists() else {}
        epochs = sorted({int(name.partition("-")[0]) for name in found})
        if not epochs:
            return
        blocks = range(sum(name.startswith(f"{epochs[0]}-") for name in found))
        kept = [
            torch.stack([torch.from_numpy(found[f"{epoch}-{block}"]) for epoch in epochs])
            for block in blocks
        ]
        scores, shares = reduced(kept)
        centre = scores.mean(2, keepdim=True)
        scale = (scores - centre).abs().amax(2, keepdim=True).clamp_min(1e-12)
        codes = ((scores - centre) / scale * _LEVELS).round().to(torch.int8)
        sprite = write_sprite(self.run, self.images, self.chosen, self.folder.parent)
        labels = self.images.test.labels.cpu()[self.chosen]
        _write(
            self.folder / FEATURES,
            {
                "epochs": np.array(epochs, np.int32),
                "images": self.chosen.numpy().astype(np.int32),
                "labels": labels.numpy().astype(np.int32),
                "codes": codes.numpy(),
                "centre": centre.numpy().astype(np.float32),
                "scale": scale.numpy().astype(np.float32),
                "shares": np.array(shares, np.float32),
                "sprite": np.array(sprite),
            },
        )
        self.part.unlink(missing_ok=True)


def block_means(run: Run, images: ImageData, chosen: Tensor) -> list[Tensor]:
    """r_1 ... r_H of the test images numbered ``chosen``, as means over positions: (N, C_l)."""
    return _of_blocks(run, images, chosen, lambda _, r: r.mean((2, 3)))


@torch.no_grad()
def head_outputs(run: Run, images: ImageData, chosen: Tensor) -> list[Tensor]:
    """z_1 ... z_H of the test images numbered ``chosen``, of norm 1: (N, D).

    Raises:
        ExperimentError: a block has no projection head.
    """
    heads, blocks = heads_by_block(run.model), run.experiment.hidden
    if len(heads) < blocks:
        raise ExperimentError(
            f"{run.experiment.method_label} has projection heads after {len(heads)} of {blocks} "
            f"blocks: z is there where each block has one"
        )
    return _of_blocks(run, images, chosen, lambda block, r: F.normalize(heads[block](r)))


def _of_blocks(
    run: Run, images: ImageData, chosen: Tensor, look: Callable[[int, Tensor], Tensor]
) -> list[Tensor]:
    """What ``look`` makes of r_l, from (l, r_l), on the CPU."""
    device = images.test.labels.device
    split = Split(images.test.images[chosen.to(device)], images.test.labels[chosen.to(device)])
    batches = (
        [look(block, r).cpu() for block, r in enumerate(rs, 1)]
        for rs in block_outputs(run, images, split)
    )
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


def reduced(blocks: list[Tensor]) -> tuple[Tensor, list[float]]:
    """Scores (E, H, N, 16) of features (E, N, C_l), and the share of variance that they hold."""
    scores, shares = [], []
    for features in blocks:
        epochs, count, _ = features.shape
        flat = features.double().flatten(0, 1)
        flat = flat - flat.mean(0)
        _, values, rows = torch.linalg.svd(flat, full_matrices=False)
        kept = min(DIMENSIONS, len(rows))
        found = flat.new_zeros(len(flat), DIMENSIONS)
        found[:, :kept] = flat @ rows[:kept].T
        scores.append(found.unflatten(0, (epochs, count)))
        energy = values.square()
        shares.append(float(energy[:kept].sum() / energy.sum().clamp_min(1e-30)))
    for lower in reversed(range(len(scores) - 1)):  # towards the block above, at the end
        u, _, v = torch.linalg.svd(scores[lower][-1].T @ scores[lower + 1][-1])
        scores[lower] = scores[lower] @ (u @ v)
    return torch.stack(scores, 1).float(), shares


def write_sprite(run: Run, images: ImageData, chosen: Tensor, folder: Path) -> str:
    """Write the images below one another, 20 to a row, where they are not yet; the file's name."""
    pixels = images.test.images.cpu()[chosen].permute(0, 2, 3, 1).numpy()
    count, side = len(pixels), pixels.shape[1]
    content = (images.content_id or "")[:10]
    name = f"thumbnails-{'-'.join(filter(None, (images.name, content)))}-{side}.png"
    if not (folder / name).exists():
        sheet = Image.new(
            "RGB", (SPRITE_COLUMNS * side, -(-count // SPRITE_COLUMNS) * side), "white"
        )
        for place, picture in enumerate(pixels):
            row, column = divmod(place, SPRITE_COLUMNS)
            shown = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
            sheet.paste(shown, (column * side, row * side))
        said = PngImagePlugin.PngInfo()
        said.add_text("Source", f"{count} test images of {run.experiment.data_label}")
        with write_atomically(folder / name) as file:
            sheet.save(file, "PNG", pnginfo=said, optimize=True)
    return name


def read_features(folder: Path) -> Features:
    """What was kept of the run in ``folder``.

    Raises:
        RecordError: nothing was kept, or the file is damaged.
    """
    path = folder / FEATURES
    if not path.exists():
        raise RecordError(f"{folder} has no {FEATURES}: sweep with --keep-features keeps it")
    found = _arrays(path)
    try:
        codes, scale = found["codes"], found["scale"]
        epochs, blocks, count, _ = codes.shape
        names = ("epochs", "images", "labels", "shares", "centre", "scale")
        shapes = [(epochs,), (count,), (count,), (blocks,), *[(epochs, blocks, 1, DIMENSIONS)] * 2]
        if codes.dtype != np.int8 or [found[name].shape for name in names] != shapes:
            raise ValueError("its arrays do not go together")
        scores = (codes * (scale / _LEVELS) + found["centre"]).astype(np.float32)
        if not np.isfinite(scores).all():
            raise ValueError("it has numbers that are not finite")
        numbers, images, labels, shares = (
            found[name].tolist() for name in ("epochs", "images", "labels", "shares")
        )
        path_of_sprite = folder.parent / Path(str(found["sprite"])).name
        sprite = read_bytes(path_of_sprite, _MOST) if path_of_sprite.exists() else b""
        return Features(numbers, images, labels, scores, shares, sprite)
    except (KeyError, ValueError, TypeError) as error:
        raise RecordError(f"{path} is damaged: {error}") from error


def features_in_training(
    experiment: Experiment, images: ImageData, look: Look | None = None
) -> Features:
    """Train, and keep what a `FeatureKeeper` keeps.

    Raises:
        RecordError: the run diverged.
        ExperimentError: as ``look`` raises.
    """
    with TemporaryDirectory() as root:
        folder = Path(root) / "run"
        train(experiment, FeatureKeeper(folder, look), data=images)
        return read_features(folder)


def plane(
    features: Features, towards: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Features in two dimensions, the same for all epochs: (epochs, H, N, 2).

    In each block the two along which its features vary most after the last epoch, turned
    (orthogonal Procrustes) towards those of the last block, and these ``towards`` (N, 2).
    """
    scores = torch.from_numpy(features.scores).double()
    scores = scores - scores[-1].mean(1, keepdim=True)
    _, _, rows = torch.linalg.svd(scores[-1], full_matrices=False)  # (H, 16, 16)
    flat = scores @ rows[:, :2].mT
    last = flat[-1, -1]
    if towards is not None:
        last = last @ _turn(last, torch.from_numpy(towards))
    found: npt.NDArray[np.float64] = (flat @ _turn(flat[-1], last)).numpy()
    return found


def _turn(points: Tensor, towards: Tensor) -> Tensor:
    u, _, v = torch.linalg.svd(points.mT @ towards)
    turn: Tensor = u @ v
    return turn


def separation(features: Features) -> npt.NDArray[np.float64]:
    """How many times as far apart images of two classes are as two of one class: (epochs, H).

    Means of distances over all pairs, in the 16 dimensions that are kept: each run's own, so that
    equal blocks may differ a little. 1 is no difference; nan: too coarsely kept to tell.
    """
    labels = torch.tensor(features.labels)
    alike = labels[:, None] == labels
    two = ~torch.eye(len(labels), dtype=torch.bool)
    scores = torch.from_numpy(features.scores).double()
    distances = torch.cdist(scores, scores)  # (epochs, H, N, N)
    within = distances[..., alike & two].mean(-1)
    between = distances[..., ~alike].mean(-1)
    values = features.scores.swapaxes(2, 3).reshape(-1, len(labels))
    kinds = np.reshape([len(np.unique(v)) for v in values], (*within.shape, -1)).max(-1)
    return np.where(kinds < _FEWEST, np.nan, (between / within.clamp_min(1e-12)).numpy())


def _arrays(path: Path) -> Arrays:
    """Raises `RecordError` where ``path`` holds no arrays, `ReadError` where it is too large."""
    content = io.BytesIO(read_bytes(path, _MOST))
    try:
        with zipfile.ZipFile(content) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST:
                raise ValueError(f"it unpacks to more than {_MOST // MEGABYTE} MB")
        with np.load(content, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path} is damaged: {error}") from error


def _write(path: Path, arrays: Arrays) -> None:
    with write_atomically(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
