"""Questions about cuts, gradients and heads (lessons 1, 2, 4, 5 and 6)."""

from __future__ import annotations

from random import Random

from delog_nb.course.questions import Drawn, Option, asks


def _blocks(first: int, last: int) -> str:
    return f"block {first}" if first == last else f"blocks {first} to {last}"


def _two_cuts(rng: Random) -> tuple[int, int, int]:
    """A number of blocks, and two of them to cut after, at least two apart."""
    first, second = rng.randint(2, 3), rng.randint(5, 6)
    return second + rng.randint(2, 4), first, second


@asks(1)
def losses_of_a_cut_network(rng: Random) -> Drawn:
    blocks, a, b = _two_cuts(rng)
    return (
        f"A network of {blocks} blocks and a classifier is cut after blocks {a} and {b}, and "
        f"nowhere else. How many losses train it?",
        Option("3", "Two cuts make three components, and each has one loss."),
        [
            Option("2", "One for each cut leaves out what lies behind the last cut."),
            Option(str(blocks + 1), "That is so with a cut after every block."),
            Option("1", "One loss trains an uncut network: a cut stops its gradient."),
        ],
    )


@asks(1)
def what_the_middle_loss_changes(rng: Random) -> Drawn:
    blocks, a, b = _two_cuts(rng)
    return (
        f"A network of {blocks} blocks is cut after blocks {a} and {b}. Which blocks does the loss "
        f"of the middle component change?",
        Option(_blocks(a + 1, b), "All of its own component, and nothing else."),
        [
            Option(_blocks(1, b), f"The cut after block {a} stops the gradient there."),
            Option(_blocks(b, b), "Within a component the gradient flows through all blocks."),
            Option(_blocks(a + 1, blocks), "A gradient flows back from a loss, never up."),
        ],
    )


@asks(4)
def detach_before_the_head(_: Random) -> Drawn:
    return (
        "Somebody writes `loss = scl(head(r.detach()), labels)` for every block and trains. What "
        "learns?",
        Option("the heads alone", "The gradient ends at `r.detach()`, below the head."),
        [
            Option("blocks and heads", "The block lies below `detach`."),
            Option("the blocks alone", "It is the other way round: the head lies above `detach`."),
            Option("nothing, there is an error", "The head's parameters need a gradient: it runs."),
        ],
    )


@asks(4)
def detach_behind_the_head(_: Random) -> Drawn:
    return (
        "Somebody writes `loss = scl(head(r).detach(), labels)` and calls `loss.backward()`. What "
        "happens?",
        Option("an error", "Nothing that needs a gradient is left below the loss."),
        [
            Option("the head alone learns", "That needs `detach` below the head."),
            Option("the block alone learns", "The block lies below the head, and the head is cut."),
            Option("block and head learn", "Both lie below `detach`."),
        ],
    )


@asks(4)
def first_losses_without_detach(_: Random) -> Drawn:
    return (
        "The same network with the same weights, once with `detach` between the components and "
        "once without. How do the losses of the very first batch compare?",
        Option("they are equal", "`detach` changes no number on the way up."),
        [
            Option("all are larger without", "Only gradients differ, and only later losses."),
            Option("the first is equal, the others differ", "`detach` hands on the same numbers."),
            Option("the last one is smaller without", "It may become so, after some steps."),
        ],
    )


@asks(2)
def a_product_of_norms(rng: Random) -> Drawn:
    share, blocks = rng.choice([(0.5, 10), (0.8, 20), (0.7, 15)])
    right = share**blocks
    return (
        f"On its way back through a block, a gradient's norm becomes {share} of what it was. What "
        f"is left of it after {blocks} such blocks?",
        Option(f"{right:.1g}", f"{share} to the power of {blocks}: the factors multiply."),
        [
            Option(f"{share / blocks:.1g}", "It is not divided by the number of blocks."),
            Option(f"{share}", "Each block takes its share of what the last one left."),
            Option(f"{right**0.5:.1g}", "That is after half of the blocks."),
        ],
    )


@asks(2)
def a_vanishing_gradient_is_cut(rng: Random) -> Drawn:
    blocks = rng.choice([20, 30, 40])
    return (
        f"In a plain stack of {blocks} blocks, BP's gradient has vanished before it comes to block "
        f"1. The stack is cut after every block. What is the gradient in block 1 now?",
        Option("that of its own loss", "Its flow is one block long, whatever stands above."),
        [
            Option("still nearly zero", "It no longer comes from the end of the stack."),
            Option("zero, it is cut off", "It is cut off from the end, and has its own loss."),
            Option(f"{blocks} times as large", "The sizes of two losses' gradients are unrelated."),
        ],
    )


@asks(2)
def the_way_up(_: Random) -> Drawn:
    return (
        "In a plain stack features shrink to nothing on their way up. It is cut after every block. "
        "Which blocks learn in the first steps?",
        Option("the lowest", "They have a loss close by, and features of full size."),
        [
            Option("all alike", "A weight's gradient needs features from below, too."),
            Option("the highest", "Their features have shrunk most."),
            Option("none", "The lowest get the image itself."),
        ],
    )


@asks(2)
def steady_on_average(_: Random) -> Drawn:
    return (
        "On average, a layer leaves the norm of a gradient as it is. What is true of the gradient "
        "in the first of 24 such layers?",
        Option("it differs from draw to draw", "Deviations multiply: it feels every layer above."),
        [
            Option("it is that of the last layer", "So it is on average, not in each network."),
            Option("it vanishes", "That needs factors below 1 on average."),
            Option("layers average it out", "Sums average out, products do not."),
        ],
    )


@asks(4)
def heads_at_test_time(_: Random) -> Drawn:
    return (
        "A colleague ships a network trained by Delog-SCL together with all its projection heads, "
        "since they hold what was learned. What do the heads add to the predictions?",
        Option("nothing", "A prediction goes through the blocks and the classifier."),
        [
            Option("accuracy, a little", "No output of a head is on the way to the classifier."),
            Option("confidence", "No probability is computed from them."),
            Option("everything: blocks were trained for them", "The next block reads r, never z."),
        ],
    )


@asks(5)
def cut_or_loss(_: Random) -> Drawn:
    return (
        "Delog-SCL differs from BP in its cuts and in its losses. Which control separates the two?",
        Option("one flow with all the losses", "It has the losses, and no cut."),
        [
            Option("BP with more epochs", "It changes neither cuts nor losses."),
            Option("Delog-SCL with another seed", "It has both, again."),
            Option("Delog-SCL with fewer cuts", "Fewer cuts are fewer losses, too."),
        ],
    )


@asks(6)
def probes_of_z(_: Random) -> Drawn:
    return (
        "A linear probe reads rotation well from the features r of a block, and hardly from "
        "z = g(r); before training it read z well. Views of an image were rotated at random. What "
        "has happened?",
        Option("the head dropped it", "The loss asks to ignore it; r still has it."),
        [
            Option("the block never saw rotation", "Then r would not tell it either."),
            Option("the head is too narrow", "The same head, untrained, let it through."),
            Option("the probe of z is broken", "Before training it read z well."),
        ],
    )


@asks(5)
def greedy_blocks(rng: Random) -> Drawn:
    low, high = rng.choice([(1, 3), (2, 4), (2, 5)])
    return (
        f"Block {low} could keep a detail that helps block {high}, and that block {low}'s own loss "
        f"has no use for. A loss stands after every block. Can block {low} learn to keep it?",
        Option("only by chance", "No gradient comes back to tell it: the price of a cut."),
        [
            Option(f"yes, block {high}'s loss tells it", "That gradient ends at the first cut."),
            Option("yes, more slowly", "More steps bring no gradient that is not there."),
            Option("no, features cannot hold it", "They can, if something happens to keep it."),
        ],
    )
