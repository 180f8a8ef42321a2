"""One Ray for all tests of a session, small surveys to search on, and a browser."""

import os

import pytest

import browser as chromium


@pytest.fixture(scope="session")
def ray_session():
    """An embedded Ray with two CPUs; searches of this process use it instead of starting their own."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.2"
    import ray

    from rookery.compute.own_ray import start_own_ray

    start_own_ray(num_cpus=2, _system_config={"metrics_report_interval_ms": 1000})  # ten seconds else
    yield ray
    ray.shutdown()


@pytest.fixture(scope="session")
def survey(tiny_survey):
    """The small simulated survey, as tests of searches call it."""
    return tiny_survey


@pytest.fixture(scope="session")
def other_survey(tmp_path_factory):
    """A survey of other objects, with a split of the same name."""
    from rookery.surveys import simulate_supernovae, split_survey

    other = simulate_supernovae(tmp_path_factory.mktemp("surveys") / "other", n=80, seed=9)
    split_survey(other, "half", train_fraction=0.5, seed=1)
    return other


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    pytest.importorskip("playwright.sync_api", reason="needs playwright")
    pytest.importorskip("dash", reason="needs the extra `dashboard`")
    with chromium.started() as found:
        yield found


@pytest.fixture
def page(browser):
    """A page that must have nothing to say on its console, and asks nobody but the server."""
    with chromium.opened(browser) as found:
        yield found
