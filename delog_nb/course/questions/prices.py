"""Questions about memory, evidence and pipelines (lessons 9, 10 and 11)."""

from __future__ import annotations

from random import Random

from delog_nb.course.assessing import FAILS, HOLDS, OPEN, SAME, verdict_of
from delog_nb.course.questions import Drawn, Option, asks


@asks(9)
def one_backward_of_the_sum(rng: Random) -> Drawn:
    blocks = rng.choice([12, 16, 24, 32])
    return (
        f"{blocks} equal blocks, a local loss after each, `detach` between them, and one "
        f"`backward()` of the sum of all losses. How much memory do activations take, beside BP?",
        Option("about as much", "Every graph waits for the one backward pass."),
        [
            Option(f"about 1/{blocks}", "That needs a backward pass in each component."),
            Option("about half", "Nothing is freed halfway."),
            Option("nearly none", "A loss needs the activations of its block to go backward."),
        ],
    )


@asks(9)
def memory_when_depth_doubles(rng: Random) -> Drawn:
    blocks = rng.choice([8, 16, 32])
    return (
        f"A network of {blocks} equal blocks, cut after each, goes backward in each component "
        f"before the next begins. It is made twice as deep. What happens to the memory of "
        f"activations in a step?",
        Option("it stays", "One component's graph is there at a time, however many follow."),
        [
            Option("it doubles", "It does with BP, where all wait for the end."),
            Option("it grows by half", "Nothing of the first half waits for the second."),
            Option("it halves", "A component is no smaller because there are more of them."),
        ],
    )


@asks(9)
def what_checkpointing_costs(_: Random) -> Drawn:
    return (
        "BP keeps only the input of each block and computes the inside again when the gradient "
        "arrives. What does that cost?",
        Option("about a forward pass", "Each block's inside is computed twice."),
        [
            Option("a little accuracy", "The gradient is the same, up to rounding."),
            Option("another copy of the weights", "The same weights compute it again."),
            Option("nothing", "What is not kept has to be computed again."),
        ],
    )


@asks(10)
def a_verdict(rng: Random) -> Drawn:
    low, high = rng.choice([(0.2, 2.9), (-0.6, 2.4), (-0.7, 0.8), (-3.1, -0.4), (0.1, 0.6)])
    verdict = verdict_of(low / 100, high / 100)
    reasons = {
        HOLDS: "That needs an interval above zero which is not within a point of it.",
        FAILS: "That needs an interval below zero which is not within a point of it.",
        SAME: "That needs an interval within a point of zero, and counts then whatever its sign.",
        OPEN: "That is for intervals that contain zero and reach beyond a point.",
    }
    right = {
        HOLDS: "All of it is above zero, and some of it more than a point.",
        FAILS: "All of it is below zero, and some of it more than a point.",
        SAME: "All of it is within a point of zero.",
        OPEN: "It allows differences of both signs, one of them above a point.",
    }
    return (
        f"A is said to be more accurate than B; an interval within a point of zero counts as no "
        f"difference. That of A − B is from {low:+.1f} to {high:+.1f} points. What is the verdict?",
        Option(verdict, right[verdict]),
        [Option(other, why) for other, why in reasons.items() if other != verdict],
    )


@asks(10)
def many_tests(rng: Random) -> Drawn:
    count = rng.choice([10, 14, 20])
    chance = 1 - 0.95**count
    return (
        f"Two methods are equally good. Somebody compares them in {count} independent settings, "
        f"each at a level of 5 %. How likely is at least one “significant” difference?",
        Option(f"about {100 * chance:.0f} %", f"1 minus 0.95 to the power of {count}."),
        [
            Option("5 %", "So it is for one comparison."),
            Option(f"{5 * count} %" if count < 20 else "certain", "Chances of events that may "
                   "come together cannot be added."),
            Option("0 %, since they are equal", "Noise alone crosses the level now and then."),
        ],
    )  # fmt: skip


@asks(10)
def an_unfair_rate(_: Random) -> Drawn:
    return (
        "Your method, at the best of ten learning rates on test images, is a point above BP at "
        "its default rate. What do you conclude?",
        Option(
            "nothing yet",
            "Tune both alike, on validation images, and take several seeds.",
        ),
        [
            Option("yours is better by a point", "Ten chances against one, on the test images."),
            Option("they are equal", "No evidence of a difference is not evidence of none."),
            Option("BP is better when it is tuned", "Likely less far behind, but nobody knows."),
        ],
    )


@asks(11)
def a_bubble(rng: Random) -> Drawn:
    stages, batches = rng.choice([(2, 6), (4, 12), (3, 9), (4, 6)])
    slots = stages + batches - 1
    idle = 100 * (stages - 1) / slots
    too_much = 100 * (stages - 1) / batches
    return (
        f"{stages} machines hold a component each. {batches} batches pass through them one after "
        f"another, each takes one time unit on each machine. Which share of the time is a machine "
        f"idle?",
        Option(
            f"{idle:.0f} %",
            f"{stages - 1} of {slots} time units, at the start, the end, or both.",
        ),
        [
            Option("0 %", "The last machine waits for the first batch to arrive."),
            Option(f"{100 - 100 / stages:.0f} %", "So it is when batches do not overlap."),
            Option(
                f"{too_much:.0f} %",
                "The time is longer than the batches alone.",
            ),
        ],
    )


@asks(11)
def waiting_for_the_end(rng: Random) -> Drawn:
    machines = rng.choice([4, 8])
    return (
        f"{machines} machines hold a stage each. After which event can the first machine take its "
        f"optimizer step for a batch, with local losses in each stage?",
        Option("its own backward pass", "No gradient comes from the other machines."),
        [
            Option("the last machine's forward pass", "With BP it would wait even longer."),
            Option("the second machine's backward pass", "So it is with BP."),
            Option("all backward passes", "Only if steps are to be taken at the same time."),
        ],
    )


@asks(9)
def accumulation(_: Random) -> Drawn:
    return (
        "BP without BatchNorm may take a batch in pieces and add up the gradients: the step is "
        "the same. Why not a contrastive loss?",
        Option("it compares samples", "Pairs across pieces are lost."),
        [
            Option("its gradients cannot be added", "Gradients of every loss can be."),
            Option("its heads need the whole batch", "A head sees one sample at a time."),
            Option("it can, it is the same step", "An anchor would have fewer positives."),
        ],
    )
