"""The lesson's two programs, as printed in the lesson, run by Python itself."""

from __future__ import annotations

import contextlib
import io

FULL_BATCH = """
w = {w0!r}

def forward(x):
    return x * w

def cost(xs, ys):
    cost = 0
    for x, y in zip(xs, ys):
        y_pred = forward(x)
        cost += (y_pred - y) ** 2
    return cost / len(xs)

def gradient(xs, ys):
    grad = 0
    for x, y in zip(xs, ys):
        grad += 2 * x * (x * w - y)
    return grad / len(xs)

print('Predict (before training)', 4, forward(4))
for epoch in range({n_epochs}):
    cost_val = cost(x_data, y_data)
    grad_val = gradient(x_data, y_data)
    w -= {rate!r} * grad_val
    print('Epoch:', epoch, 'w=', w, 'loss=', cost_val)

print('Predict (after training)', 4, forward(4))
"""

STOCHASTIC = """
w = {w0!r}

def forward(x):
    return x * w

def loss(x, y):
    y_pred = forward(x)
    return (y_pred - y) ** 2

def gradient(x, y):
    return 2 * x * (x * w - y)

print('Predict (before training)', 4, forward(4))

for epoch in range({n_epochs}):
    for x, y in zip(x_data, y_data):
        grad = gradient(x, y)
        w = w - {rate!r} * grad
        print("\\tgrad: ", x, y, grad)
        l = loss(x, y)

    print("progress:", epoch, "w=", w, "loss=", l)

print('Predict (after training)', 4, forward(4))
"""

SLIDES = """\
Predict (before training) 4 4.0
Epoch:   0 w= 1.09 cost= 4.67
Epoch:   1 w= 1.18 cost= 3.84
Epoch:   2 w= 1.25 cost= 3.15
Epoch:   3 w= 1.32 cost= 2.59
Epoch:   4 w= 1.39 cost= 2.13
Epoch:   5 w= 1.44 cost= 1.75
Epoch:   6 w= 1.50 cost= 1.44
Epoch:   7 w= 1.54 cost= 1.18
Epoch:   8 w= 1.59 cost= 0.97
Epoch:   9 w= 1.62 cost= 0.80
Epoch:  10 w= 1.66 cost= 0.66
…………
Epoch:  90 w= 2.00 cost= 0.00
Epoch:  91 w= 2.00 cost= 0.00
Epoch:  92 w= 2.00 cost= 0.00
Epoch:  93 w= 2.00 cost= 0.00
Epoch:  94 w= 2.00 cost= 0.00
Epoch:  95 w= 2.00 cost= 0.00
Epoch:  96 w= 2.00 cost= 0.00
Epoch:  97 w= 2.00 cost= 0.00
Epoch:  98 w= 2.00 cost= 0.00
Epoch:  99 w= 2.00 cost= 0.00
Predict (after training)   4  8.00"""


def printed(
    program: str, xs: list, ys: list, w0: float = 1.0, rate: float = 0.01, n_epochs: int = 100
) -> str:
    """The output of the program for other data, start, rate or number of epochs."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program.format(w0=w0, rate=rate, n_epochs=n_epochs), {"x_data": xs, "y_data": ys})
    return out.getvalue().rstrip("\n")
