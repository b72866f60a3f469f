"""Questions about contrastive losses and codes (lessons 3 and 8)."""

from __future__ import annotations

from random import Random

from delog_nb.course.questions import Drawn, Option, asks


@asks(3)
def positives_of_an_anchor(rng: Random) -> Drawn:
    own, classes = rng.choice([4, 5, 8]), rng.choice([4, 6, 10])
    return (
        f"A batch has {own} images of each of {classes} classes, in two views each. How many "
        f"positives does a view have?",
        Option(str(2 * own - 1), "All views of its class but itself."),
        [
            Option(str(own - 1), "Views count, not images."),
            Option("1", "So it is without labels: here other images of the class count, too."),
            Option(str(2 * own), "An anchor is not its own positive."),
        ],
    )


@asks(3)
def negatives_of_an_anchor(rng: Random) -> Drawn:
    own, classes = rng.choice([3, 4, 6]), rng.choice([4, 6, 10])
    others = own * (classes - 1)
    return (
        f"A batch has {own} images of each of {classes} classes, in two views each. How many "
        f"views of other classes stand below the fraction of an anchor?",
        Option(str(2 * others), "Two views of every image of every other class."),
        [
            Option(str(others), "Views count, not images."),
            Option(str(2 * own * classes - 1), "That is all others, positives with them."),
            Option(str(2 * own * classes - 2), "Without labels all but two would be negatives."),
        ],
    )


@asks(3)
def a_lower_tau(_: Random) -> Drawn:
    return (
        "The temperature tau is lowered from 0.5 to 0.05. Which views of other classes push an "
        "anchor now?",
        Option(
            "nearly only those most similar to it",
            "A softmax at low temperature is close to a maximum.",
        ),
        [
            Option("all about alike", "That is what a high temperature does."),
            Option("mostly those farthest away", "Far views have the smallest share of the sum."),
            Option("none, the shares vanish", "Shares sum to one at every temperature."),
        ],
    )


@asks(3)
def no_positive(rng: Random) -> Drawn:
    classes = rng.choice([6, 8, 10])
    return (
        f"A batch has one image of each of {classes} classes, and one view of each. What does the "
        f"supervised contrastive loss teach?",
        Option("nothing", "No anchor has a positive, so that no anchor has a term."),
        [
            Option("to push all classes apart", "Negatives push only below a positive's fraction."),
            Option("as much as a larger batch", "Two views of an image are the least it takes."),
            Option(f"to reach log {classes - 1}", "There is no fraction to take a logarithm of."),
        ],
    )


@asks(3)
def longer_embeddings(rng: Random) -> Drawn:
    factor = rng.choice([3, 10, 100])
    return (
        f"All outputs of a projection head are multiplied by {factor}. What does the supervised "
        f"contrastive loss of this course do?",
        Option("it stays as it is", "Rows of z get norm 1 before they are compared."),
        [
            Option("it falls, as with a lower tau", "It would, if z were not normalised."),
            Option(f"it grows {factor} times", "Only directions count."),
            Option(f"it grows {factor * factor} times", "Both vectors get norm 1 first."),
        ],
    )


@asks(8)
def the_way_of_al(_: Random) -> Drawn:
    return (
        "A network trained by associated learning predicts. Which parts does it use?",
        Option(
            "the blocks, the last bridge, all decoders",
            "Up through the blocks, over, and down through the codes to the label.",
        ),
        [
            Option("the blocks and a classifier", "AL trains no classifier: labels are codes."),
            Option("the blocks and all bridges", "The lower bridges only served their losses."),
            Option("the blocks, all encoders", "Encoders need the label, which is not there."),
        ],
    )


@asks(8)
def al_waits(_: Random) -> Drawn:
    return (
        "Associated learning stays at chance for its first epochs, while its losses fall. What is "
        "the most likely reason?",
        Option(
            "its codes of different classes are nearly equal",
            "Features can meet such targets without telling classes apart.",
        ),
        [
            Option("no gradient arrives in the blocks", "Then the losses would hardly fall."),
            Option("its learning rate is too high", "The losses would not fall steadily."),
            Option("it has no cross-entropy", "It never has one, and learns later on."),
        ],
    )
