"""PyTorch's cells, as torch.nn.RNNCell, LSTMCell and GRUCell call them."""

from __future__ import annotations

from typing import Any

import torch

from tests.oracles.record import Oracle


def lstm_cell(x: Any, h: Any, c: Any, *parameters: Any) -> Any:
    return torch.lstm_cell(x, (h, c), *parameters)


ORACLES = {
    "rnn_cell": Oracle(torch.rnn_tanh_cell),
    "lstm_cell": Oracle(lstm_cell),
    "gru_cell": Oracle(torch.gru_cell),
}
