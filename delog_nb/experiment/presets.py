"""Presets: the values that a run takes where it names none itself.

``paper`` is the authors' recipe: all training images, float32, no validation split. It is what the
fields of `Experiment` say by default, and departs from the authors' code by `DEPARTURES` alone.
What ``lesson`` and ``quick`` choose instead stands beside each field in
`delog_nb.experiment.schema`, and beside each option in the file of the method or net that reads it.
"""

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

PRESETS: dict[str, str] = {
    "quick": "at most 10 seconds, to try and to test",
    "lesson": "at most a minute on two cores",
    "paper": "the authors' recipe: 200 epochs on a GPU",
}
