"""What the tests of the engine share."""

import pytest

from convcli.engine import plans


@pytest.fixture(autouse=True)
def no_plans(monkeypatch):
    """Tests force routes and vectors; no plan that was made under others is to serve them, or to outlive them."""
    monkeypatch.setattr(plans, "_plans", {})
