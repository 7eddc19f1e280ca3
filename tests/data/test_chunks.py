"""Chunks that a function makes: what is taken, and the sentence for what is not."""

from __future__ import annotations

import _thread
import itertools
import threading

import numpy as np
import pytest

import fastgd
from fastgd.data.chunks import Source

X, Y = np.arange(60.0).reshape(20, 3), np.arange(20.0)


def source(*chunks, **how):
    return fastgd.chunks(lambda: iter(chunks), **how)


def parts(*cuts):
    return [(X[a:b], Y[a:b]) for a, b in itertools.pairwise([0, *cuts, 20])]


def test_what_a_source_tells_of_itself():
    plain = source(*parts(5))
    assert isinstance(plain, Source)
    assert (plain.d, plain.n, plain.is_scalar, plain.has_weights) == (3, None, False, False)
    single = source((X[:, 0].astype(np.float32), Y, np.ones(20)), n_samples=20)
    assert (single.d, single.n, single.is_scalar, single.has_weights) == (1, 20, True, True)
    assert single.dtypes == (np.float32, np.float64)


@pytest.mark.parametrize(
    ("chunks", "sentence"),
    [
        ([], "chunks() gave no rows; at least one is needed"),
        ([(X[:0], Y[:0])], "chunks() gave no rows; at least one is needed"),
        ([X], "chunk 0 of chunks() is of type ndarray; it must be (X, y) or (X, y, weight)"),
        ([(X, Y, Y, Y)], "chunk 0 of chunks() is a tuple of 4; it must be (X, y) or (X, y, weight)"),
        ([(X[None], Y)], "chunk 0 of chunks(): X has shape (1, 20, 3); it must be (m,) or (m, d)"),
        ([(X, Y[:7])], "chunk 0 of chunks(): y has shape (7,) and X (20, 3); they must agree"),
        ([(X, Y, Y[:7])], "chunk 0 of chunks(): weight has shape (7,) and X (20, 3); they must agree"),
        ([(X.astype(str), Y)], "chunk 0 of chunks(): X holds text (<U32); it must hold real numbers"),
        (
            [(X, Y * 1j)],
            "chunk 0 of chunks(): y holds complex numbers (complex128); it must hold real numbers",
        ),
    ],
)
def test_a_first_chunk_that_is_none_is_refused_at_once(chunks, sentence):
    with pytest.raises(fastgd.InvalidDataError) as caught:
        source(*chunks)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("chunk", "sentence"),
    [
        ((X[:, :2], Y), "chunk 2 of chunks(): X has shape (20, 2), and that of the first chunk was (m, 3)"),
        ((X[:, 0], Y), "chunk 2 of chunks(): X has shape (20,), and that of the first chunk was (m, 3)"),
        ((X, Y, Y), "chunk 2 of chunks() has weights, and the first had none; all chunks must agree"),
        (
            (X.astype(object).astype(str), Y),
            "chunk 2 of chunks(): X holds text (<U4); it must hold real numbers",
        ),
        (
            (X.astype(np.float32), Y),
            "chunk 2 of chunks(): X holds float32, and that of the first chunk was read as float64: give all "
            "chunks one dtype",
        ),
        (None, "chunk 2 of chunks() is of type NoneType; it must be (X, y) or (X, y, weight)"),
    ],
)
def test_a_later_chunk_that_is_another_is_refused_when_it_comes(chunk, sentence):
    given = source(*parts(5), chunk)
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent(given)
    assert str(caught.value) == sentence


def test_weights_that_are_none():
    for bad, sentence in (
        (-1.0, "row 13 of chunks(): the weight is -1; weights must be finite and not negative"),
        (np.nan, "row 13 of chunks(): the weight is nan; weights must be finite and not negative"),
    ):
        s = np.ones(20)
        s[13] = bad
        with pytest.raises(fastgd.InvalidDataError) as caught:
            fastgd.gradient_descent(source((X[:5], Y[:5], s[:5]), (X[5:], Y[5:], s[5:])))
        assert str(caught.value) == sentence
    with pytest.raises(fastgd.InvalidDataError, match="^the weights are zero for every row"):
        fastgd.gradient_descent(source((X, Y, np.zeros(20))))


def test_a_function_that_raises():
    def at_once():
        raise OSError("no such table")

    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.chunks(at_once)
    assert str(caught.value) == "chunks(): the function raised OSError: no such table when it was called"
    assert isinstance(caught.value.__cause__, OSError)

    def midway():
        yield from parts(5)
        raise RuntimeError("the line went dead")

    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.sgd(fastgd.chunks(midway), learning_rate=1e-9, n_epochs=1)
    assert str(caught.value) == "chunk 2 of chunks() raised RuntimeError: the line went dead"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_what_is_no_function_of_iterators():
    with pytest.raises(
        TypeError, match="^chunks\\(\\) takes a function that makes an iterator of chunks, not list"
    ):
        fastgd.chunks(parts(5))
    with pytest.raises(fastgd.InvalidDataError, match="^chunks\\(\\): the function raised TypeError"):
        fastgd.chunks(lambda: 3)
    once = iter(parts(5))
    with pytest.raises(fastgd.InvalidDataError, match="must make a new one at each call"):
        fastgd.gradient_descent(fastgd.chunks(lambda: once))
    again = parts(5)  # a list can be gone through any number of times
    assert fastgd.gradient_descent(fastgd.chunks(lambda: again), n_epochs=1).n_samples == 20


@pytest.mark.parametrize("change", [-3, 4])
def test_another_number_of_rows_at_a_later_read(change):
    lengths = iter([5000, 5000, 5000, 5000])  # to see its shape, its first rows and all of them, and one more

    def varying():
        n = next(lengths, 5000 + change)
        yield np.resize(X, (n, 3)), np.resize(Y, n)

    given = fastgd.chunks(varying)
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent(given, method="stream", n_epochs=5, loss="huber")
    found = str(caught.value)
    least = "at least " * (change > 0)
    assert found.startswith(f"chunks() gave {least}{5000 + change} rows at this read, and 5000 were expected")


def test_n_samples_that_is_wrong():
    for told, least in ((19, "at least "), (21, "")):
        with pytest.raises(
            fastgd.InvalidDataError, match=f"gave {least}20 rows at this read, and {told} were"
        ):
            fastgd.gradient_descent(source(*parts(5), n_samples=told), method="stream", n_epochs=2)


def test_targets_and_weights_stand_with_the_chunks():
    with pytest.raises(TypeError, match=r"^chunks\(\) has targets and weights of its own: leave y out"):
        fastgd.gradient_descent(source(*parts(5)), Y)
    with pytest.raises(TypeError, match="leave sample_weight out"):
        fastgd.gradient_descent(source(*parts(5)), sample_weight=np.ones(20))
    with pytest.raises(TypeError, match="^y is missing; only a source of rows"):
        fastgd.gradient_descent(X)


def test_the_row_that_is_not_a_number_is_named():
    bad = X.copy()
    bad[17, 2] = np.nan
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent(source((bad[:9], Y[:9]), (bad[9:], Y[9:])))
    assert str(caught.value) == "row 17 of chunks(): X[:, 2] is NaN; drop such rows or fill them"


def test_a_generator_is_closed_and_no_thread_is_left():
    closed = []

    def watched():
        try:
            yield from parts(5, 9)
        finally:
            closed.append(threading.current_thread().name)

    fastgd.gradient_descent(fastgd.chunks(watched), method="stream", n_epochs=2)
    assert len(closed) >= 2

    def broken():
        try:
            yield from parts(5)
            yield 3
        finally:
            closed.append("broken")

    with pytest.raises(fastgd.InvalidDataError):
        fastgd.gradient_descent(fastgd.chunks(broken))
    assert closed[-1] == "broken"
    left = [thread.name for thread in threading.enumerate() if "reads ahead" in thread.name]
    assert left == []


def test_what_can_be_gone_through_only_once_is_found_out():
    """Its first chunks would be missing from the result."""
    lines = iter(parts(*range(1, 20)))
    given = fastgd.chunks(lambda: ((X, y) for X, y in lines))
    with pytest.raises(fastgd.InvalidDataError, match="began with another row than at its first call"):
        fastgd.gradient_descent(given)
    with_nan = X.copy()
    with_nan[0, 1] = np.nan
    with pytest.raises(fastgd.InvalidDataError, match=r"^row 0 of chunks\(\): X\[:, 1\] is NaN"):
        fastgd.gradient_descent(source((with_nan, Y)))


def test_weights_that_add_up_to_more_than_a_float_holds():
    with pytest.raises(fastgd.InvalidDataError, match="^the weights add up to more than a float holds"):
        fastgd.gradient_descent(source((X, Y, np.full(20, 1e308))))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ((X, Y[:, None]), r"y has shape \(20, 1\) and X \(20, 3\); they must agree"),
        (([[1, 2, 3], [4]], [1, 2]), "X is ragged: its rows must all have the same length"),
        ((np.ma.masked_array(X, X == 3), Y), "X is a masked array; fill or drop its masked values first"),
        ((3.0, 4.0), r"X has shape \(\); it must be \(m,\) or \(m, d\)"),
    ],
)
def test_arrays_that_are_none(bad, sentence):
    with pytest.raises(fastgd.InvalidDataError, match=rf"^chunk 1 of chunks\(\): {sentence}$"):
        fastgd.gradient_descent(source((X, Y), bad))


def test_a_value_of_a_chunk_is_named_by_its_row_in_the_chunk():
    with pytest.raises(
        fastgd.InvalidDataError,
        match=r"^row 0 of chunk 1 of chunks\(\): X\[:, 0\] is .*1j.*; X must hold real numbers$",
    ):
        fastgd.gradient_descent(source((X, Y), (X.astype(object) + 1j, Y)))


def test_what_counts_as_the_same_dtype():
    """What kernels read as float64."""
    given = source(
        (X.astype(int), Y.astype(int)), (X, Y), (X.astype(object), (Y > 3)), (X.tolist(), Y.tolist())
    )
    fit = fastgd.gradient_descent(given, n_epochs=3)
    expected = fastgd.gradient_descent(
        np.concatenate([X, X, X, X]), np.concatenate([Y, Y, Y > 3, Y]), n_epochs=3
    )
    assert fit.w.tolist() == expected.w.tolist()


def test_an_interrupt_while_a_chunk_is_made():
    """Ctrl-C does not wait for a function that takes its time; the result so far is nothing."""
    waiting, go_on = threading.Event(), threading.Event()

    def slow():
        yield X, Y
        waiting.set()
        go_on.wait(60)
        yield X, Y

    def interrupt():
        waiting.wait(60)
        _thread.interrupt_main()

    fastgd.gradient_descent(fastgd.chunks(lambda: iter([(X, Y), (X, Y)])))  # nothing is left to be compiled
    given = fastgd.chunks(slow)
    helper = threading.Thread(target=interrupt)
    helper.start()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            fastgd.gradient_descent(given)
        assert not go_on.is_set()
        assert caught.value.result.n_epochs == 0
    finally:
        helper.join()
        go_on.set()
    assert fastgd.gradient_descent(given, n_epochs=1).n_samples == 40
