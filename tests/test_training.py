"""The training example: its parts beside PyTorch's, and the story that it tells."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import gradcheck
from reference_ops import optimisers, training
from reference_ops.optimisers import OPTIMISERS, SparseAdam, xavier
from reference_ops.training import (
    INITIALISATIONS,
    LAMBDA,
    SCHEDULES,
    TAGS,
    Sentence,
    accuracy,
    epochs,
    gradient,
    initialised,
    read,
    scheduled,
)

Array = NDArray[Any]
text = read()


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shapes() -> dict[str, Array]:
    random = seeded()
    return {"W": random.normal(size=(3, 4)), "b": random.normal(size=3)}


# -- initialisation ------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(30, 50), (200, 10)])
def test_xavier_has_the_variance_of_both_fans(shape: tuple[int, int]) -> None:
    drawn = np.concatenate([xavier(seeded(k), shape).ravel() for k in range(100)])
    wanted = 2 / sum(shape)
    assert abs(drawn.var() / wanted - 1) < 5 * math.sqrt(0.8 / drawn.size)  # kurtosis 1.8
    assert abs(drawn.mean()) < 5 * math.sqrt(wanted / drawn.size)
    assert np.abs(drawn).max() <= math.sqrt(3 * wanted)


def test_uniform_stays_within_r_and_is_no_constant() -> None:
    drawn = optimisers.uniform(seeded(), (50, 50), 0.1)
    assert np.abs(drawn).max() <= 0.1
    assert abs(drawn.var() / (0.1**2 / 3) - 1) < 0.1
    assert np.unique(drawn).size == drawn.size


@pytest.mark.parametrize("how", INITIALISATIONS)
def test_biases_start_at_zero_and_at_the_frequencies_of_the_tags(how: str) -> None:
    made = initialised(text, seeded(), how)
    assert_array_equal(made["b"], 0)
    tags = np.concatenate([s.tags for s in text.train])
    assert_allclose(np.exp(made["c"]), [(tags == k).mean() for k in range(len(TAGS))])
    silent = {**made, "U": 0 * made["U"]}
    everything = Sentence(np.concatenate([s.words for s in text.train]), tags)
    steeper = {**silent, "c": silent["c"] + 0.1 * np.eye(len(TAGS))[1]}
    assert gradient(silent, everything)[0] < gradient(steeper, everything)[0]


# -- optimisers, beside torch.optim --------------------------------------------------------------
def torch_optimiser(name: str, tensors: Any, lr: float) -> Any:
    torch = pytest.importorskip("torch")
    kind = {
        "sgd": torch.optim.SGD,
        "adagrad": torch.optim.Adagrad,
        "rmsprop": torch.optim.RMSprop,
        "adam": torch.optim.Adam,
        "sparse-adam": torch.optim.SparseAdam,
    }[name]
    return kind(tensors, lr=lr)


@pytest.mark.parametrize("lr", [0.01, 1.0])
@pytest.mark.parametrize("name", [n for n in OPTIMISERS if n != "sparse-adam"])
def test_optimisers_take_the_steps_of_torch(name: str, lr: float) -> None:
    torch = pytest.importorskip("torch")
    own = shapes()
    tensors = {k: torch.tensor(v.copy(), requires_grad=True) for k, v in own.items()}
    ours, theirs = OPTIMISERS[name](own, lr), torch_optimiser(name, tensors.values(), lr)
    random = seeded(1)
    for step in range(30):
        ours.lr = theirs.param_groups[0]["lr"] = lr / (1 + step % 3)
        gradients = {
            k: random.normal(size=v.shape) * 10.0 ** (step % 5 - 3) for k, v in own.items()
        }
        for k, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[k].copy())
        ours.step(gradients)
        theirs.step()
        for k, tensor in tensors.items():
            assert_allclose(own[k], tensor.detach().numpy(), rtol=1e-11, atol=1e-13)


def test_sparse_adam_takes_the_steps_of_torch() -> None:
    torch = pytest.importorskip("torch")
    table = seeded().normal(size=(6, 3))
    tensor = torch.tensor(table.copy(), requires_grad=True)
    ours, theirs = SparseAdam({"table": table}, 0.1), torch_optimiser("sparse-adam", [tensor], 0.1)
    random = seeded(1)
    for _ in range(20):
        rows = random.integers(0, 5, size=4)  # repeated ones too; never the last
        parts = random.normal(size=(4, 3))
        whole = np.zeros_like(table)
        np.add.at(whole, rows, parts)
        tensor.grad = torch.sparse_coo_tensor(rows[None], parts, table.shape, check_invariants=True)
        ours.step({"table": whole}, rows={"table": rows})
        theirs.step()
        assert_allclose(table, tensor.detach().numpy(), rtol=1e-11, atol=1e-13)


def test_adam_moves_a_word_that_is_not_in_the_batch_and_sparse_adam_does_not() -> None:
    for name, still in (("adam", False), ("sparse-adam", True)):
        table = np.ones((2, 1))
        made = OPTIMISERS[name]({"table": table}, 0.1)
        made.step({"table": np.array([[1.0], [0.0]])}, rows={"table": np.array([0])})
        before = table.copy()
        made.step({"table": np.array([[0.0], [1.0]])}, rows={"table": np.array([1])})
        assert (table[0] == before[0]).all() == still
        assert table[1] != before[1]


# -- schedules, beside torch.optim.lr_scheduler --------------------------------------------------
def rates(make: Callable[[Any, Any], Any], lr: float, count: int) -> list[float]:
    torch = pytest.importorskip("torch")
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    made, found = make(torch.optim.lr_scheduler, sgd), []
    for _ in range(count):
        found.append(sgd.param_groups[0]["lr"])
        sgd.step()
        made.step()
    return found


SCHEDULED: Mapping[str, tuple[Any, Any]] = {
    "constant": (optimisers.constant(0.3), lambda lr, sgd: lr.ConstantLR(sgd, factor=1)),
    "halving": (
        optimisers.halving(0.3, every=4),
        lambda lr, sgd: lr.StepLR(sgd, step_size=4, gamma=0.5),
    ),
    "exponential": (
        optimisers.exponential(0.3, k=0.1),
        lambda lr, sgd: lr.ExponentialLR(sgd, gamma=math.exp(-0.1)),
    ),
    "cyclic": (
        optimisers.cyclic(0.05, 0.3, half=5),
        lambda lr, sgd: lr.CyclicLR(sgd, 0.05, 0.3, step_size_up=5, cycle_momentum=False),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_those_of_torch(name: str) -> None:
    own, theirs = SCHEDULED[name]
    assert_allclose([own(epoch) for epoch in range(23)], rates(theirs, 0.3, 23), rtol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_starts_within_the_rate_and_stays_positive(name: str) -> None:
    made = [scheduled(name, 0.2)(epoch) for epoch in range(training.EPOCHS)]
    assert max(made) == pytest.approx(0.2)
    assert min(made) > 0


# -- the example ---------------------------------------------------------------------------------
def trained(optimiser: str, *, frozen: bool = False, seed: int = 0) -> tuple[Any, Array]:
    random = seeded(seed)
    parameters = initialised(text, random, "xavier")
    before = parameters["table"].copy()
    how = optimiser, frozen, random
    losses = [
        loss
        for _, _, loss in epochs(
            parameters, text, scheduled("constant", training.RATES[optimiser]), how
        )
    ]
    assert losses[-1] < losses[0] / 3
    return parameters, before


def test_the_text_is_of_its_vocabulary_and_television_is_in_the_test_text_alone() -> None:
    assert len(set(text.vocabulary)) == len(text.vocabulary)
    place = text.vocabulary.index("television")
    assert not any(place in s.words for s in text.train)
    assert sum(place in s.words for s in text.test) >= 3
    assert {tag for s in text.train for tag in s.tags} == set(range(len(TAGS)))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_words_not_in_the_data_do_not_move(optimiser: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(training, "EPOCHS", 12)
    parameters, before = trained(optimiser)
    seen = np.unique(np.concatenate([s.words for s in text.train]))
    unseen = np.setdiff1d(np.arange(len(before)), seen)
    assert unseen.size == 1
    assert_array_equal(parameters["table"][unseen], before[unseen])
    assert (parameters["table"][seen] != before[seen]).any(axis=1).all()


def test_the_story_of_tv_telly_and_television() -> None:
    """Retrained, the two that are in the text leave the third behind; frozen, it is found."""
    for frozen, found in ((False, 0), (True, 4)):
        parameters, _ = trained("sgd", frozen=frozen)
        place = text.vocabulary.index("television")
        uses = [s for s in text.test if place in s.words]
        right = [(training.predicted(parameters, s) == s.tags)[s.words == place] for s in uses]
        assert np.concatenate(right).sum() == found
        assert accuracy(parameters, text.train) == 1


def test_the_gradient_is_right_while_training_and_a_wrong_one_is_found_there(
    monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(training, "EPOCHS", 6)
    monkeypatch.setattr("sys.argv", ["training"])
    training.main()
    said = capsys.readouterr().out
    assert said.count(": pass, ") == 3
    assert re.search(r"television  0 +not in it +\d of 4", said)
    assert "television stayed where they had been" in said

    def broken(parameters: Any, sentence: Sentence) -> Any:
        loss, gradients = gradient(parameters, sentence)
        return loss, {**gradients, "U": gradients["U"] - 2 * LAMBDA * parameters["U"]}

    monkeypatch.setattr(training, "gradient", broken)  # the penalty of U forgotten
    with pytest.raises(gradcheck.GradientError, match="gradient of U"):
        training.main()


def test_a_schedule_or_optimiser_that_does_not_exist_is_refused(
    monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("sys.argv", ["training", "--optimiser", "adm"])
    with pytest.raises(SystemExit) as caught:
        training.main()
    assert caught.value.code == 2
    assert "invalid choice: 'adm'" in capsys.readouterr().err
