"""What a preset chooses: the values that a run takes where it names none itself.

``paper`` is the authors' recipe: all training images, float32, no validation split. It is what the
fields of `Experiment` say by default, and departs from the authors' code by `DEPARTURES` alone;
``lesson`` and ``quick`` depart from it by the lines below.
"""

from typing import Any

from delog_nb.experiment.registry import DATASETS

# Where ``paper`` departs from the authors' published code. docs/recipe.md shows them.
DEPARTURES = (
    "The loss is Eq. 2 as it is written, as the mean over anchors. The authors' code counts an "
    "anchor among its own positives, which scales the loss by |P| / (|P| + 1): "
    "`--loss-scaling authors` does so.",
    "Each component's backward pass follows its forward pass. The authors make one backward pass "
    "of the sum of all losses: the same gradients, in more memory.",
    "Each component has an optimizer of its own. With Adam the updates are those of one optimizer.",
    "Test accuracy is reported after the last epoch. The authors report the best epoch on test "
    "images, which is optimistic; it is listed beside it under that name.",
    "Colour jitter applies its four changes in one order. torchvision, which the authors use, "
    "draws the order anew for each image.",
    "A batch has 128 images, as in the paper's tables; the authors' later code takes 1,024.",
)

# Small images, few epochs: BatchNorm lets every method learn within them; pooled features and
# narrow heads, exits and codes keep a step short. These are choices of ours, not of the paper.
_LESSON: dict[str, Any] = {
    "val_fraction": 0.1,
    "precision": "auto",
    "width": 0.5,
    "norm": "batch",
    "pool": 4,
    "head_hidden": 256,
    "head_dim": 128,
    "exit_hidden": 128,
    "epochs": 8,
    "batch_size": 64,
    "lr": 2e-3,
}
# With the paper's sigmoid codes AL stays at chance for tens of epochs on small data, because the
# codes of all classes are nearly equal at first: tanh, fewer dimensions and faster target encoders
# spread them.
_LESSON_AL: dict[str, Any] = {"al_activation": "tanh", "al_hidden": 50, "al_lr": 1e-2}

_QUICK: dict[str, Any] = {"width": 0.25, "epochs": 2, "limit": 400}

PRESETS: dict[str, str] = {
    "quick": "at most 10 seconds, to try and to test",
    "lesson": "at most a minute on two cores",
    "paper": "the authors' recipe: 200 epochs on a GPU",
}


def preset_values(preset: str, dataset: str, net: str, method: str) -> dict[str, Any]:
    """The values that ``preset`` chooses for this data set, net and method."""
    data = DATASETS[dataset]
    values: dict[str, Any] = {
        "image_size": data.size,
        "crop_padding": data.crop_padding,
        "flip": data.flip,
        "al_hidden": 300 if net == "convnet" else 500,
    }
    if preset in ("lesson", "quick"):
        values |= _LESSON
        if method == "al":
            values |= _LESSON_AL
    if preset == "quick":
        values |= _QUICK
    return values
