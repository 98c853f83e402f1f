"""The lecture's window classifier, trained on a small tagged text, its gradient checked on the way.

    python -m reference_ops.training            then again with --frozen

It tells the story of CS224N lecture 4, "a pitfall when retraining word vectors": *TV* and *telly*
are in the training text, *television* is not. Pre-training has put all three close together;
training moves the first two, and *television* stays where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gradcheck
from reference_ops import optimisers
from reference_ops._shapes import Array
from reference_ops.graphs import window_classifier, window_scores
from reference_ops.optimisers import OPTIMISERS, Schedule, uniform, xavier

TEXT = Path(__file__).with_name("tagged_text.txt")
TAGS = ("O", "PERSON", "PLACE", "SCREEN")
STORY = ("TV", "telly", "television")
DIMENSIONS, HIDDEN, WINDOW = 6, 8, 3
"""Length of a word vector, hidden units, words in a window."""
LAMBDA = 1e-4
"""Weight of the penalty lambda (|W|^2 + |U|^2)."""
EPOCHS = 60

INITIALISATIONS = ("xavier", "uniform")
SCHEDULES = ("constant", "halving", "exponential", "cyclic")
RATES = {"sgd": 0.2, "adagrad": 0.1, "rmsprop": 0.01, "adam": 0.01, "sparse-adam": 0.01}
"""Where the learning rate starts, by optimiser."""


# -- the text ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Sentence:
    """Places of its words in the vocabulary, and of their tags in `TAGS`; both (t,)."""

    words: Array
    tags: Array


@dataclass(frozen=True)
class Text:
    """What `TEXT` holds."""

    alike: list[list[str]]
    train: list[Sentence]
    test: list[Sentence]

    @property
    def vocabulary(self) -> list[str]:
        return [word for group in self.alike for word in group]


def read(path: Path = TEXT) -> Text:
    """The tagged text: groups of words that are alike, sentences to train on and to test with."""
    parts: dict[str, list[list[str]]] = {"alike": [], "train": [], "test": []}
    part = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            part = line.strip("[]")
        elif line and not line.startswith("#"):
            parts[part].append(line.split())
    places = {word: k for k, word in enumerate(w for group in parts["alike"] for w in group)}

    def sentence(tokens: list[str]) -> Sentence:
        pairs = [token.split("/") for token in tokens]
        words, tags = [places[word] for word, _ in pairs], [TAGS.index(tag) for _, tag in pairs]
        return Sentence(np.array(words), np.array(tags))

    train, test = ([sentence(tokens) for tokens in parts[name]] for name in ("train", "test"))
    return Text(parts["alike"], train, test)


# -- the model -----------------------------------------------------------------------------------
def pretrained(text: Text, random: np.random.Generator) -> Array:
    """Word vectors as pre-training leaves them: words that are alike are close together. (v, d)."""
    groups = [uniform(random, (1, DIMENSIONS), 0.2) for _ in text.alike]
    near = [uniform(random, (len(words), DIMENSIONS), 0.02) for words in text.alike]
    return np.concatenate([group + own for group, own in zip(groups, near, strict=True)])


def initialised(text: Text, random: np.random.Generator, how: str) -> dict[str, Array]:
    """The parameters of `window_classifier`: small random weights, biases at their best guess.

    The hidden bias is zero. The output bias is what would be best if the weights were zero: the
    logarithm of how often each tag occurs.
    """
    shapes = {"W": (HIDDEN, WINDOW * DIMENSIONS), "U": (len(TAGS), HIDDEN)}
    weights = {
        name: xavier(random, shape) if how == "xavier" else uniform(random, shape, 0.1)
        for name, shape in shapes.items()
    }
    counts = np.bincount(np.concatenate([s.tags for s in text.train]), minlength=len(TAGS))
    return {
        "table": pretrained(text, random),
        "W": weights["W"],
        "b": np.zeros(HIDDEN),
        "U": weights["U"],
        "c": np.log(counts / counts.sum()),
    }


def gradient(parameters: Mapping[str, Array], sentence: Sentence) -> tuple[Any, dict[str, Array]]:
    """The loss of one sentence, and its gradient by parameter."""
    known = {**parameters, "words": sentence.words, "labels": sentence.tags}
    names = ("table", "words", "W", "b", "U", "c", "labels")
    loss, pullback = window_classifier.vjp(*(known[name] for name in names), lam=LAMBDA)
    gradients = dict(zip(names, pullback(np.ones_like(loss)), strict=True))
    return loss, {name: gradients[name] for name in parameters}


def predicted(parameters: Mapping[str, Array], sentence: Sentence) -> Array:
    """The tag of each word with the highest score. (t,)."""
    table, *others = (parameters[name] for name in ("table", "W", "b", "U", "c"))
    return np.asarray(np.argmax(window_scores(table, sentence.words, *others), axis=1))


def accuracy(parameters: Mapping[str, Array], sentences: list[Sentence]) -> float:
    """Share of words whose tag is right."""
    right = [predicted(parameters, s) == s.tags for s in sentences]
    return float(np.mean(np.concatenate(right)))


# -- training ------------------------------------------------------------------------------------
def scheduled(name: str, lr: float) -> Schedule:
    """A schedule that suits `EPOCHS`."""
    return {
        "constant": optimisers.constant(lr),
        "halving": optimisers.halving(lr, every=EPOCHS // 3),
        "exponential": optimisers.exponential(lr, k=2 / EPOCHS),
        "cyclic": optimisers.cyclic(lr / 4, lr, half=EPOCHS // 6),
    }[name]


def epochs(
    parameters: dict[str, Array],
    text: Text,
    schedule: Schedule,
    how: tuple[str, bool, np.random.Generator],
) -> Iterator[tuple[int, float, float]]:
    """Train in place, a sentence at a step; yields (epoch, learning rate, mean loss) after each.

    ``how`` is the optimiser, whether word vectors stay as they are, and where the order of the
    sentences comes from.
    """
    optimiser, frozen, random = how
    trained = {name: p for name, p in parameters.items() if not (frozen and name == "table")}
    descent = OPTIMISERS[optimiser](trained, schedule(0))
    for epoch in range(EPOCHS):
        descent.lr = schedule(epoch)
        losses = []
        for k in random.permutation(len(text.train)):
            loss, gradients = gradient(parameters, text.train[k])
            descent.step(gradients, rows={"table": text.train[k].words})
            losses.append(loss)
        yield epoch, descent.lr, float(np.mean(losses))


def checked(parameters: dict[str, Array], text: Text, when: str) -> None:
    """Check the gradient of every parameter where training is now; raises if it is wrong."""
    sentence = text.train[0]
    result = gradcheck.check_params(lambda: gradient(parameters, sentence), parameters)
    print(
        f"gradient {when}: {result.verdict}, {result.comparisons} comparisons, worst relative "
        f"error {result.worst.relative_error if result.worst else 0:.1g}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reference_ops.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="sgd")
    parser.add_argument("--schedule", choices=SCHEDULES, default="constant")
    parser.add_argument("--init", choices=INITIALISATIONS, default="xavier")
    parser.add_argument("--frozen", action="store_true", help="word vectors are not trained")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def told(before: Array, parameters: Mapping[str, Array], text: Text) -> None:
    """The story's words: how far each moved, and how many of its uses get the right tag."""
    print(f"  {'word':<12}{'moved by':<10}{'right in training':<19}right in the test")
    for word in STORY:
        place = text.vocabulary.index(word)
        moved = float(np.linalg.norm(parameters["table"][place] - before[place]))
        train, test = (
            _right(parameters, sentences, place) for sentences in (text.train, text.test)
        )
        print(f"  {word:<12}{moved:<10.3g}{train:<19}{test}")
    print(_moral(parameters, text, before))


def _right(parameters: Mapping[str, Array], sentences: list[Sentence], place: int) -> str:
    """How many uses of a word get the right tag: ``5 of 5``."""
    uses = [s for s in sentences if place in s.words]
    right = [bool((predicted(parameters, s) == s.tags)[s.words == place].all()) for s in uses]
    return f"{sum(right)} of {len(right)}" if uses else "not in it"


def _moral(parameters: Mapping[str, Array], text: Text, before: Array) -> str:
    """What the figures say."""
    if np.array_equal(parameters["table"], before):
        return "No word vector was trained: television is still where TV and telly are."
    found = _right(parameters, text.test, text.vocabulary.index(STORY[-1]))
    return (
        "TV and telly moved together, and television stayed where they had been: the classifier "
        f"gets it right in {found}. With --frozen none of them moves."
    )


def main() -> None:
    """Train once, and tell the story."""
    given = _arguments()
    random = np.random.default_rng(given.seed)
    text = read()
    parameters = initialised(text, random, given.init)
    before = parameters["table"].copy()
    schedule = scheduled(given.schedule, RATES[given.optimiser])
    checked(parameters, text, "before training")
    how = given.optimiser, given.frozen, random
    for epoch, lr, loss in epochs(parameters, text, schedule, how):
        if epoch % (EPOCHS // 6) == 0 or epoch == EPOCHS - 1:
            shares = [accuracy(parameters, sentences) for sentences in (text.train, text.test)]
            figures = "train {:.0%}, test {:.0%} of tags right".format(*shares)
            print(f"epoch {epoch:>2}: learning rate {lr:.3g}, loss {loss:.4f}; {figures}")
        if epoch == EPOCHS // 2:
            checked(parameters, text, "half-way")
    checked(parameters, text, "after training")
    told(before, parameters, text)


if __name__ == "__main__":
    main()
