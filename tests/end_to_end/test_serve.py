"""`lapilli serve` as a person meets it: starting, stopping, and saying why it cannot."""

import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.adapters.drivers.mounts import tmpfs
from tests.support.deployment import Program, Serve, running, until


def failing(directory: Path, serve: Serve) -> str:
    """The one line that a start that cannot be says; checks that it is one, and the status."""
    refused = Program("serve", log=directory / "refused.log", env=serve.env)
    refused.start()
    until(lambda: not refused.running, what="end of the refused start")
    assert refused.stop() == 1
    said = refused.log.read_text().strip().splitlines()
    assert len(said) == 1, said
    return said[0]


def create(serve: Serve) -> str:
    """A volume that is available; its id."""
    status, answer = serve.request("POST", "/volumes", {"volume": {"size": 1}})
    assert status == 202, answer
    id: str = answer["volume"]["id"]
    until(
        lambda: serve.request("GET", f"/volumes/{id}")[1]["volume"]["status"] == "available",
        what="available volume",
    )
    return id


def test_a_second_start_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    with running(serve):
        id = create(serve)
        assert serve.stop() == 0
        serve.start()
        assert [volume["id"] for volume in serve.volumes()] == [id]


def test_stopping_leaves_no_process_behind(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    with running(serve):
        tree = psutil.Process(serve.program.pid).children(recursive=True)
        assert len(tree) == 3  # API, engine, nats-server
        assert serve.stop() == 0
        assert not [process for process in tree if process.is_running()]


def test_two_at_once_on_one_directory_are_refused(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    with running(serve):
        said = failing(tmp_path, serve)
        assert "another lapilli" in said and str(serve.program.pid) in said
        assert serve.answers()


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", serve.port))
        other.listen()
        assert f"127.0.0.1:{serve.port}" in failing(tmp_path, serve)


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, where a directory should be")
    assert str(tmp_path / "data") in failing(tmp_path, Serve(tmp_path))


def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    with tmpfs(tmp_path, options="mode=755") as mounted:
        subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
        serve = Serve(tmp_path, env={"LAPILLI_DATA_DIR": str(mounted)})
        assert "Read-only" in failing(tmp_path, serve)


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    with tmpfs(tmp_path, options="size=256k") as mounted:
        serve = Serve(tmp_path, env={"LAPILLI_DATA_DIR": str(mounted)})
        assert "No space left" in failing(tmp_path, serve)


@pytest.mark.parametrize("victim", ["api", "engine", "nats-server"])
def test_whatever_dies_is_started_again(tmp_path: Path, victim: str) -> None:
    serve = Serve(tmp_path)
    with running(serve):
        children = psutil.Process(serve.program.pid).children()
        order = {"api": 0, "engine": 1}
        forked = sorted(
            (c for c in children if c.name() != "nats-server"), key=lambda c: c.create_time()
        )
        [nats] = [c for c in children if c.name() == "nats-server"]
        (nats if victim == "nats-server" else forked[order[victim]]).kill()
        until(serve.answers, what="an answer")
        create(serve)


def test_nobody_else_can_read_the_log(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    with running(serve):
        for file in (tmp_path / "data").glob("*.db"):
            assert file.stat().st_mode & 0o077 == 0, file
