"""A small cluster for the tests of this folder."""

from __future__ import annotations

import pytest

try:
    import distributed
except ModuleNotFoundError:
    collect_ignore_glob = ["test_*.py"]
else:
    from tests.distributed.partitions import QUIET, ROWS, lot


@pytest.fixture(scope="module")
def the_cluster():
    """Two workers of one thread."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **QUIET) as both:
        yield both


@pytest.fixture(scope="module")
def the_client(the_cluster):
    with distributed.Client(the_cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def client(the_client):
    with the_client.as_current():
        yield the_client


@pytest.fixture(scope="module")
def data():
    return lot(ROWS, 3, 1)
