"""torch and jax: automatic differentiation, and torch's BLAS. `contenders` explains what they return."""

from __future__ import annotations

import functools

import numpy as np


def torch_cost_and_gradient(X, y):
    import torch

    cost = _torch_cost(X, y)
    dtype = torch.from_numpy(y).dtype

    def cost_and_gradient(w):
        weights = torch.tensor(w, dtype=dtype, requires_grad=True)
        value = cost(weights)
        value.backward()
        return value.item(), weights.grad.numpy()

    return cost_and_gradient


def _torch_cost(X, y):
    import torch

    X, y = torch.from_numpy(X), torch.from_numpy(y)
    if X.ndim == 1:
        return lambda w: torch.mean((X * w - y) ** 2)
    return lambda w: torch.mean((X @ w - y) ** 2)


def jax_cost_and_gradient(X, y):
    jax, X, y = _jax(X, y)
    compiled = jax.jit(jax.value_and_grad(_jax_cost))
    return lambda w: [np.asarray(part) for part in compiled(jax.numpy.asarray(w, y.dtype), X, y)]


def _jax(X, y):
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax, jax.numpy.asarray(X), jax.numpy.asarray(y)


def _jax_cost(w, X, y):
    return ((X.dot(w) - y) ** 2).mean()


def torch_descent(X, y):
    import torch

    cost = _torch_cost(X, y)

    def descend(w0, rate, n_epochs):
        w = torch.tensor(w0, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=rate)
        for _ in range(n_epochs):
            optimizer.zero_grad()
            cost(w).backward()
            optimizer.step()
        return w.detach().numpy()

    return descend


def jax_descent(X, y):
    jax, X, y = _jax(X, y)

    @functools.partial(jax.jit, static_argnums=2)
    def loop(w0, rate, n_epochs, X, y):
        def step(w, _):
            cost, gradient = jax.value_and_grad(_jax_cost)(w, X, y)
            w = w - rate * gradient
            return w, (w, cost)

        return jax.lax.scan(step, w0, length=n_epochs)

    return lambda w0, rate, n_epochs: np.asarray(loop(jax.numpy.asarray(w0), rate, n_epochs, X, y)[0])


def torch_sgd(X, y):
    import torch

    rows, targets = torch.from_numpy(X).unbind(), torch.from_numpy(y).unbind()
    score = torch.mul if X.ndim == 1 else torch.dot

    def descend(w0, rate, n_epochs):
        w = torch.tensor(w0, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=rate)
        for _ in range(n_epochs):
            for x, target in zip(rows, targets, strict=True):
                optimizer.zero_grad()
                ((score(x, w) - target) ** 2).backward()
                optimizer.step()
        return w.detach().numpy()

    return descend


def torch_normal_equations(X, y):
    """The BLAS of torch is MKL on x86 processors."""
    import torch

    X, y = torch.from_numpy(X), torch.from_numpy(y)
    if X.ndim == 1:
        return lambda *_: (torch.dot(X, y) / torch.dot(X, X)).item()
    return lambda *_: torch.linalg.solve(X.T @ X, X.T @ y).numpy()


def jax_sgd(X, y):
    jax, X, y = _jax(X, y)

    @functools.partial(jax.jit, static_argnums=2)
    def loop(w0, rate, n_epochs, X, y):
        def sample(w, row):
            x, target = row
            return w - rate * 2 * x * (x.dot(w) - target), None

        def epoch(w, _):
            return jax.lax.scan(sample, w, (X, y))

        return jax.lax.scan(epoch, w0, length=n_epochs)

    return lambda w0, rate, n_epochs: np.asarray(loop(jax.numpy.asarray(w0), rate, n_epochs, X, y)[0])
