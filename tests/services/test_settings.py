"""Settings: which source wins, what is refused and how it is said, and the reference page."""

from pathlib import Path

import pytest

from domain.deadlines import COPIED, WAITS
from services import settings
from services.settings import Backend, Settings, SettingsError


def a_file(directory: Path, text: str) -> Path:
    path = directory / "lapilli.toml"
    path.write_text(text)
    return path


def refused(**sources) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        settings.load(**{"environ": {}, **sources})
    return caught.value


def test_without_any_source_the_defaults_hold():
    assert settings.load(environ={}) == Settings()


FILE = "[api]\nport = 1001"
ENVIRONMENT = {"LAPILLI_API_PORT": "1002"}
FLAG = {"api.port": 1003}


@pytest.mark.parametrize(
    ("file", "environ", "flags", "port"),
    [
        ("", {}, {}, 8776),
        (FILE, {}, {}, 1001),
        (FILE, ENVIRONMENT, {}, 1002),
        ("", ENVIRONMENT, FLAG, 1003),
        (FILE, ENVIRONMENT, FLAG, 1003),
        (FILE, ENVIRONMENT, {"api.port": None}, 1002),  # a flag that was not given
    ],
)
def test_later_sources_win(tmp_path, file, environ, flags, port):
    loaded = settings.load(config=a_file(tmp_path, file), environ=environ, flags=flags)
    assert loaded.api.port == port


def test_sources_that_set_different_things_add_up(tmp_path):
    loaded = settings.load(
        config=a_file(tmp_path, "data_dir = '/srv/l'\n[api]\nport = 1\n"),
        environ={"LAPILLI_API_HOST": "0.0.0.0", "LAPILLI_QUOTA_VOLUMES": "-1", "HOME": "/"},
        flags={"api.max_limit": 50},
    )
    assert (loaded.api.port, loaded.api.host, loaded.api.max_limit) == (1, "0.0.0.0", 50)
    assert (loaded.data_dir, loaded.quota.volumes) == ("/srv/l", -1)


def test_the_file_may_be_named_by_the_environment_but_a_flag_wins(tmp_path):
    path = a_file(tmp_path, FILE)
    assert settings.load(environ={"LAPILLI_CONFIG": str(path)}).api.port == 1001
    other = tmp_path / "other.toml"
    other.write_text("")
    assert settings.load(config=other, environ={"LAPILLI_CONFIG": str(path)}).api.port == 8776


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("LAPILLI_DATA_DIR", "/d", "data_dir", "/d"),
        ("LAPILLI_NATS_TIMEOUT_S", "0.5", "nats.timeout_s", 0.5),
        ("LAPILLI_METRICS_ENABLED", "false", "metrics.enabled", False),
        ("LAPILLI_IDENTITY_ROLES", "member, reader", "identity.roles", ("member", "reader")),
        ("LAPILLI_PROCESSES_BACKOFF_S", "1,2.5", "processes.backoff_s", (1.0, 2.5)),
        ("LAPILLI_VOLUME_TYPES_DEFAULT", "fast", "volume_types.default", "fast"),
        ("LAPILLI_LOGGING_FORMAT", "json", "logging.format", "json"),
    ],
)
def test_text_of_the_environment_becomes_the_type_of_the_setting(variable, text, key, value):
    loaded: object = settings.load(environ={variable: text})
    for name in key.split("."):
        loaded = getattr(loaded, name)
    assert loaded == value


def test_named_backends_replace_the_default_one_and_are_replaced_whole(tmp_path):
    file = a_file(tmp_path, "[backends.a]\nzone = 'z1'\n[backends.b]\ndriver = 'memory'\n")
    loaded = settings.load(config=file, environ={})
    assert loaded.backends == {"a": Backend(zone="z1"), "b": Backend(driver="memory")}
    environ = {"LAPILLI_BACKENDS": '{"c": {"pools": ["x", "y"]}}'}
    loaded = settings.load(config=file, environ=environ)
    assert loaded.backends == {"c": Backend(pools=("x", "y"))}


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("LAPILLI_API_PORT", "eighty", "an integer from 0 to 65535"),
        ("LAPILLI_API_PORT", "65536", "an integer from 0 to 65535"),
        ("LAPILLI_API_PORT", "", "an integer from 0 to 65535"),
        ("LAPILLI_QUOTA_VOLUMES", "-2", "an integer of at least -1"),
        ("LAPILLI_NATS_TIMEOUT_S", "0", "a number above 0"),
        ("LAPILLI_NATS_TIMEOUT_S", "inf", "a number above 0"),
        ("LAPILLI_METRICS_ENABLED", "perhaps", "true or false"),
        ("LAPILLI_LOGGING_FORMAT", "xml", "one of auto, json, text"),
        ("LAPILLI_IDENTITY_DEFAULT_PROJECT", "demo", "text that matches ^[0-9a-f]{32}$"),
        ("LAPILLI_PROCESSES_BACKOFF_S", "1,soon", "a list, each a number of at least 0"),
        ("LAPILLI_BACKENDS", "{", "JSON"),
        ("LAPILLI_BACKENDS", "[]", "a table of settings"),
        ("LAPILLI_BACKENDS", '{"a.b": {}}', "a name that matches"),
    ],
)
def test_a_bad_variable_is_named_with_its_value_and_what_was_expected(variable, text, expected):
    refusal = refused(environ={variable: text})
    assert refusal.source == f"environment variable {variable}"
    assert refusal.expected.startswith(expected)
    assert variable in str(refusal) and expected in str(refusal)


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("[api]\nport = 'x'", "api.port", "an integer from 0 to 65535"),
        ("[api]\nport = true", "api.port", "an integer from 0 to 65535"),
        ("api = 3", "api", "a table of settings"),
        ("[backends.a]\ndriver = 'tape'", "backends.a.driver", "one of file, memory"),
        ("[backends]\na = 'file'", "backends.a", "a table of settings"),
        ("[api]\nprot = 1", "api.prot", "a setting that exists; did you mean api.port?"),
        ("[quotas]\nvolumes = 1", "quotas", "a setting that exists; did you mean quota?"),
        ("[backends.a]\ndir = 1", "backends.a.dir", "a setting that exists; did you mean"),
        ("= nonsense", "config", "valid TOML"),
    ],
)
def test_a_bad_file_is_named_with_the_key_and_what_was_expected(tmp_path, text, key, expected):
    path = a_file(tmp_path, text)
    refusal = refused(config=path)
    assert refusal.key == key
    assert refusal.expected.startswith(expected)
    assert str(path) in str(refusal)


def test_a_file_that_is_not_there_is_refused_by_what_named_it(tmp_path):
    missing = tmp_path / "missing.toml"
    assert refused(config=missing).source == "flag --config"
    by_variable = refused(environ={"LAPILLI_CONFIG": str(missing)})
    assert by_variable.source == "environment variable LAPILLI_CONFIG"
    assert "No such file" in by_variable.expected


def test_bad_and_unknown_flags_are_named():
    refusal = refused(flags={"api.port": -1})
    assert (refusal.source, refusal.key, refusal.value) == ("flag --port", "api.port", -1)
    assert "did you mean api.port?" in refused(flags={"api.prot": 1}).expected


def test_an_unknown_variable_is_refused_with_the_nearest_one():
    refusal = refused(environ={"LAPILLI_API_PROT": "1"})
    assert refusal.expected == "a setting that exists; did you mean LAPILLI_API_PORT?"


def test_passwords_in_urls_are_not_shown():
    refusal = refused(environ={"LAPILLI_DATABASE_ULR": "postgresql+psycopg://u:secret@db/l"})
    assert "secret" not in str(refusal)
    assert "u:***@db" in str(refusal)


def test_backups_in_the_directory_of_a_backend_are_refused(tmp_path):
    for text in ("backups.directory = 'lapilli-data/files'", "backends.backups.driver = 'file'"):
        refusal = refused(
            config=a_file(tmp_path, text), environ={"LAPILLI_DATA_DIR": "lapilli-data"}
        )
        assert refusal.key.endswith(".directory")


def test_two_file_backends_in_one_directory_are_refused(tmp_path):
    text = f"backends.a.directory = '{tmp_path}'\nbackends.b.directory = '{tmp_path}'"
    refusal = refused(config=a_file(tmp_path, text))
    assert refusal.key == "backends.b.directory"


def test_paths_and_names_that_follow_from_others(tmp_path):
    given = settings.load(environ={}, flags={"data_dir": str(tmp_path)})
    assert given.database_url == f"sqlite:///{tmp_path}/lapilli.db"
    assert given.nats_is_embedded and given.nats_path == tmp_path / "nats"
    assert given.backend_path("files") == tmp_path / "files"
    assert given.backend_pools("files") == ("files",)
    assert given.backend_zone("files") == "nova"
    assert given.host_name
    elsewhere = settings.load(
        environ={"LAPILLI_DATABASE_URL": "postgresql+psycopg://h/d", "LAPILLI_NATS_URL": "nats://h"}
    )
    assert elsewhere.database_url == "postgresql+psycopg://h/d"
    assert not elsewhere.nats_is_embedded


def test_every_setting_says_what_it_means_and_has_names_of_its_own():
    offered = settings.flags()
    assert all(setting.meaning for setting in offered)
    assert len({setting.flag for setting in offered}) == len(offered)
    assert len({setting.variable for setting in offered}) == len(offered)


def test_the_reference_page_has_every_setting():
    page = settings.reference()
    assert "| `api.port` | an integer from 0 to 65535 | `8776` | `LAPILLI_API_PORT` |" in page
    assert "| `backends.NAME.driver` | one of file, memory |" in page
    assert all(f"`{setting.variable}` | `{setting.flag}`" in page for setting in settings.flags())


def test_deadlines_that_would_end_what_may_still_succeed_are_refused(tmp_path):
    text = "processes.driver_timeout_s = 100\nprocesses.ack_wait_s = 20\ndeadlines.deletion_s = 120"
    refusal = refused(config=a_file(tmp_path, text))
    assert refusal.key == "deadlines.deletion_s"
    assert "more than 120" in refusal.expected
    text = "placement.patience_s = 50\ndeadlines.placement_s = 50"
    assert refused(config=a_file(tmp_path, text)).key == "deadlines.placement_s"
    loaded = settings.load(config=a_file(tmp_path, "deadlines.placement_s = 61"), environ={})
    assert loaded.deadlines.allowed["placement"] == 61


def test_every_deadline_is_a_setting_and_lasts_longer_than_all_tries_of_a_reaction():
    defaults = Settings()
    assert defaults.deadlines.allowed.keys() == {
        COPIED.deadline,
        *(wait.deadline for states in WAITS.values() for wait in states.values()),
    }
    patience, pauses = defaults.processes, defaults.processes.backoff_s
    waited_s = sum((*pauses, *[pauses[-1]] * patience.max_deliveries)[: patience.max_deliveries])
    for allowed_s in defaults.deadlines.allowed.values():
        assert allowed_s > waited_s + patience.driver_timeout_s + patience.ack_wait_s


@pytest.mark.parametrize("found", [{}, {"CLOUD": "here", "ENDPOINT": "http://there"}])
def test_glance_is_found_by_a_cloud_or_an_endpoint(found: dict[str, str]):
    said = {f"LAPILLI_IMAGE_SERVICE_{name}": value for name, value in found.items()}
    with pytest.raises(SettingsError, match="either a cloud or an endpoint"):
        settings.load(environ={"LAPILLI_IMAGE_SERVICE_DRIVER": "glance", **said})
