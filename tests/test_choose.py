"""Which sandbox is taken, on machines that have one or the other."""

from __future__ import annotations

import importlib
from typing import NoReturn

import pytest

from kata.errors import SandboxUnavailable
from kata.sandbox import Offer, docker, image
from kata.sandbox.choose import choose, survey


class Heard:
    """What was said to the person."""

    def __init__(self) -> None:
        self.progress: list[str] = []
        self.notices: list[str] = []

    def choose(self, name: str) -> str:
        """The name of the sandbox that was taken."""
        launcher = choose(name, progress=self.progress.append, notice=self.notices.append)  # type: ignore[arg-type]
        return launcher.name


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


@pytest.fixture
def no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that answers, and can't have its image built."""

    def ensure(progress: object, client: object) -> NoReturn:
        raise SandboxUnavailable("The base can't be pulled.", "Load it.")

    monkeypatch.setattr(docker, "connect", lambda: None)
    monkeypatch.setattr(image, "ensure", ensure)


def bubblewrap_is(monkeypatch: pytest.MonkeyPatch, *, available: bool) -> None:
    offered = Offer(name="bubblewrap", available=available, summary="bwrap is not installed.", remedy="Do.")
    monkeypatch.setattr(importlib.import_module("kata.sandbox.bubblewrap"), "offer", lambda: offered)


def inside_is(monkeypatch: pytest.MonkeyPatch, *, available: bool) -> None:
    offered = Offer(name="inside", available=available, summary="This is not root of a container.", remedy="Do.")
    monkeypatch.setattr(importlib.import_module("kata.sandbox.inside"), "offer", lambda: offered)


@pytest.mark.docker
@pytest.mark.parametrize("name", ["auto", "docker"])
def test_docker_is_taken_where_a_daemon_answers(name: str, heard: Heard, docker_image: str) -> None:
    assert heard.choose(name) == "docker"
    assert heard.notices == []


def test_bubblewrap_is_next(heard: Heard, no_docker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap_is(monkeypatch, available=True)
    assert heard.choose("auto") == "bubblewrap"
    assert heard.notices == []


def test_an_image_that_cant_be_built_is_told(heard: Heard, no_image: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap_is(monkeypatch, available=True)
    assert heard.choose("auto") == "bubblewrap"
    (notice,) = heard.notices
    assert notice.endswith("The base can't be pulled. Load it.")
    with pytest.raises(SandboxUnavailable, match="The base can't be pulled"):
        heard.choose("docker")


def test_then_inside(heard: Heard, no_docker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap_is(monkeypatch, available=False)
    inside_is(monkeypatch, available=True)
    assert heard.choose("auto") == "inside"
    assert heard.notices == []


def test_the_last_resort_is_told(heard: Heard, no_docker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap_is(monkeypatch, available=False)
    inside_is(monkeypatch, available=False)
    assert heard.choose("auto") == "process"
    (notice,) = heard.notices
    assert "without isolation" in notice


@pytest.mark.parametrize("name", ["docker", "bubblewrap", "inside"])
def test_what_is_asked_for_by_name_is_not_replaced(
    name: str, heard: Heard, no_docker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bubblewrap_is(monkeypatch, available=False)
    inside_is(monkeypatch, available=False)
    with pytest.raises(SandboxUnavailable) as told:
        heard.choose(name)
    assert told.value.remedy


def test_a_survey_names_all_of_them(no_docker: None) -> None:
    offers = survey()
    assert [each.name for each in offers] == ["docker", "bubblewrap", "inside", "process"]
    assert not offers[0].available
    assert all(each.summary.endswith(".") for each in offers)
