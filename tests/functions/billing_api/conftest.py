import pytest
from flask import Flask

from functions.billing_api.app import create_app
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY, Backend


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def app(backend: Backend) -> Flask:
    return create_app(backend.services())


@pytest.fixture
def api(app: Flask) -> Described:
    return Described(app.test_client(), KEY)
