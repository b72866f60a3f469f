"""Questions about contrastive losses, batches, codes and losses of one's own (3, 7, 8, 12)."""

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
        f"views of other classes are in the denominator of an anchor?",
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
        "An anchor's positives are far away. The temperature tau is lowered from 0.5 to 0.05. "
        "Which views of other classes push the anchor now?",
        Option("nearly only the most similar", "A softmax at low temperature is near a maximum."),
        [
            Option("all about alike", "That is what a high temperature does."),
            Option("mostly those farthest away", "Far views have the smallest share of the sum."),
            Option("none, their shares vanish", "They would, if a positive were much nearer."),
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
            Option(
                "to push all classes apart", "A negative only pushes in a positive's denominator."
            ),
            Option("as much as a larger batch", "It takes two views of one class."),
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
            Option("it falls, as with a lower tau", "It might, if z were not normalised."),
            Option(f"it grows {factor} times", "Only directions count."),
            Option(f"it grows {factor * factor} times", "Both vectors get norm 1 first."),
        ],
    )


@asks(3)
def a_loss_that_stays(rng: Random) -> Drawn:
    views = rng.choice([64, 128, 256])
    return (
        f"The supervised contrastive loss of {views} views stays at log {views - 1}, and hardly "
        f"any gradient comes from it. What is the most likely reason?",
        Option("all z point one way", "Equal similarities: equal shares, and no force."),
        [
            Option("each class has its own point", "Then the loss is near log |P(i)|."),
            Option("no view has a positive", "Then no anchor has a term, and the loss is 0."),
            Option("the norms of z grew", "Rows of z are compared as directions alone."),
        ],
    )


@asks(7)
def larger_and_worse(rng: Random) -> Drawn:
    times = rng.choice([4, 8])
    return (
        f"A batch is made {times} times as large, the number of epochs stays, and the accuracy "
        f"falls. What was the cause?",
        Option("this cannot tell us", "Comparisons, steps and noise all changed at once."),
        [
            Option("more negatives", f"An epoch also has a {'quarter' if times == 4 else 'eighth'} "
                   "of the steps."),
            Option("fewer steps", "Likely, but each anchor has other comparisons, too."),
            Option("less noise", "It may be, or one of the other things that changed."),
        ],
    )  # fmt: skip


@asks(7)
def fewer_negatives(_: Random) -> Drawn:
    return (
        "Each anchor keeps all its positives and one of its negatives, and the accuracy falls. "
        "Which run tells whether the missing comparisons were the reason, or their weight?",
        Option("the one negative, as heavy as all", "It has the weight, without the comparisons."),
        [
            Option("two negatives instead of one", "That changes both again."),
            Option("a smaller batch", "It has fewer positives, too, and more steps."),
            Option("more epochs", "It changes neither."),
        ],
    )


@asks(12)
def a_small_local_loss(_: Random) -> Drawn:
    return (
        "The loss “1 minus the mean cosine of two views of one class” trains every block, is local "
        "and falls to 0. The classifier ends at chance. What has happened?",
        Option("all views point one way", "The loss says nothing about other classes."),
        [
            Option("a gradient leaked", "Then the loss would not be local."),
            Option("the blocks did not learn", "They learned what the loss asks for."),
            Option("its rate was too small", "Then the loss would not have fallen."),
        ],
    )


@asks(12)
def a_shared_table(_: Random) -> Drawn:
    return (
        "Every block has a loss of its own behind a `detach`, and all losses learn one table of "
        "directions that they share. Is training still local?",
        Option("no: every loss moves the table", "What is shared and learned ties blocks."),
        [
            Option("yes: `detach` sees to that", "It ends the way through features alone."),
            Option("yes: tables are not layers", "A parameter is one, wherever it stands."),
            Option("yes, if blocks take turns", "The next still moves what the last one learned."),
        ],
    )


@asks(8)
def the_way_of_al(_: Random) -> Drawn:
    return (
        "A network trained by associated learning predicts. Which parts does it use?",
        Option(
            "blocks, last bridge, decoders",
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
        "Associated learning stays at chance in its first epochs, while its losses fall steadily. "
        "What is the most likely reason?",
        Option(
            "its codes are nearly equal",
            "Features can meet such targets without telling classes apart.",
        ),
        [
            Option("no gradient arrives in the blocks", "Then the losses would hardly fall."),
            Option("its learning rate is too high", "The losses would not fall steadily."),
            Option("it has no cross-entropy", "It never has one, and learns later on."),
        ],
    )
