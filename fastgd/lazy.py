"""Attributes that are computed at their first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Value = TypeVar("Value")


class lazy_property(Generic[Value]):  # noqa: N801 - a decorator, as functools.cached_property is
    """An attribute that a method computes at its first use. `del` lets the next use compute it again.

    It holds no lock. On Python 3.11 functools.cached_property holds one lock for all instances of a class.
    Then a computation that reads data blocks every other fit, a fit inside a chunk factory waits for itself,
    and a process forked during the computation waits for ever. Without a lock two threads may both compute
    the attribute of one instance. All uses get the value that was ready first.
    """

    def __init__(self, compute: Callable[[Any], Value]):
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> Self | Value:
        if instance is None:
            return self
        value: Value = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value
