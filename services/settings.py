"""Every setting of Lapilli: its meaning, type, limits and default, and where it is read from.

Later sources win: the defaults here, a TOML file (`--config` or LAPILLI_CONFIG), the environment
(LAPILLI_API_PORT for api.port), flags of the command line. Values that cannot be used are refused
with a SettingsError that names their source.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from domain.deadlines import NAMES
from services import settings_reference
from services import settings_sources as sources
from services.settings_sources import Setting, SettingsError

__all__ = ["Backend", "Setting", "Settings", "SettingsError", "flags", "load", "reference"]

GIB = 1 << 30
MOST_S = 3e9
"""A hundred years: more than anybody waits, and less than breaks the arithmetic of dates."""

HexId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]+$")]  # a token of a NATS subject
Seconds = Annotated[float, Meta(gt=0)]
Limit = Annotated[int, Meta(ge=-1)]
FilterName = Literal[
    "AvailabilityZoneFilter",
    "CapacityFilter",
    "CapabilitiesFilter",
    "DriverFilter",
    "IgnoreAttemptedHostsFilter",
    "SameBackendFilter",
    "DifferentBackendFilter",
    "JsonFilter",
]
DiskFormat = Literal["raw", "iso", "ami", "ari", "aki", "qcow2", "vmdk", "vdi", "vhd", "vhdx"]
WeigherName = Literal[
    "CapacityWeigher", "AllocatedCapacityWeigher", "VolumeNumberWeigher", "GoodnessWeigher"
]


def says(meaning: str, **limits: Any) -> Meta:
    return Meta(description=meaning, **limits)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named group of settings."""


class Database(Section, frozen=True, kw_only=True):
    """Where events, quota ledger and read models are kept."""

    url: Annotated[
        str, says("SQLAlchemy URL: `postgresql+psycopg://…`. Empty: SQLite in `data_dir`.")
    ] = ""
    pool_size: Annotated[int, says("Connections that one process keeps open.", ge=1, le=1000)] = 8


class Nats(Section, frozen=True, kw_only=True):
    """The JetStream that carries the log to the process managers."""

    url: Annotated[str, says("Servers, separated by commas. Empty: one is run in `data_dir`.")] = ""
    replicas: Annotated[int, says("Copies of each stream; 3 or 5 on a cluster.", ge=1, le=5)] = 1
    max_stream_bytes: Annotated[int, says("Size limit of each stream, in bytes.", ge=1 << 20)] = GIB
    timeout_s: Annotated[Seconds, says("How long a request to the server may take.")] = 5.0


class Api(Section, frozen=True, kw_only=True):
    """The HTTP API."""

    host: Annotated[str, says("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, says("Port to listen on. 0: one that is free.", ge=0, le=65535)] = 8776
    public_endpoint: Annotated[
        str, says("URL that links in answers begin with. Empty: as the client wrote it.")
    ] = ""
    max_limit: Annotated[
        int, says("Most entries on one page of a list (Cinder: osapi_max_limit).", ge=1)
    ] = 1000
    read_your_writes_s: Annotated[
        float, says("How long an answer to a write waits until lists show the write.", ge=0)
    ] = 5.0
    backend_timeout_s: Annotated[
        Seconds, says("How long an answer waits for what a backend does: attach, detach.")
    ] = 60.0
    write_timeout_s: Annotated[Seconds, says("How long a write may wait for the event store.")] = (
        30.0
    )


class Identity(Section, frozen=True, kw_only=True):
    """Who is calling. There is no identity service: everybody is trusted, within one project."""

    default_project: Annotated[HexId, says("Project of every caller.")] = (
        "00000000000000000000000000000001"
    )
    default_user: Annotated[HexId, says("User that every caller is.")] = (
        "00000000000000000000000000000002"
    )
    roles: Annotated[tuple[Name, ...], says("Roles that every caller has.")] = (
        "admin",
        "member",
        "reader",
    )


class Policy(Section, frozen=True, kw_only=True):
    """Authorisation: oslo.policy with Cinder's rule names."""

    file: Annotated[str, says("YAML file with rules that replace built-in ones. Empty: none.")] = ""


class Quota(Section, frozen=True, kw_only=True):
    """Limits of a project for which no administrator has set others. -1 is no limit."""

    volumes: Annotated[Limit, says("Volumes.")] = 10
    gigabytes: Annotated[Limit, says("GiB of volumes and snapshots together.")] = 1000
    snapshots: Annotated[Limit, says("Snapshots.")] = 10
    backups: Annotated[Limit, says("Backups.")] = 10
    backup_gigabytes: Annotated[Limit, says("GiB of backups.")] = 1000
    groups: Annotated[Limit, says("Groups.")] = 10
    per_volume_gigabytes: Annotated[Limit, says("GiB of one volume.")] = -1
    no_snapshot_gb_quota: Annotated[
        bool, says("Whether new snapshots count in `snapshots` only, and not in `gigabytes`.")
    ] = False


class Placement(Section, frozen=True, kw_only=True):
    """Which backend and pool a volume is placed on."""

    default_zone: Annotated[
        Name, says("Availability zone of requests and backends that name none.")
    ] = "nova"
    patience_s: Annotated[
        float, says("How long a request waits for a backend to report itself.", ge=0)
    ] = 60.0
    over_subscription_ratio: Annotated[
        Annotated[float, Meta(ge=1)] | Literal["auto"],
        says("Provisioned to physical capacity of thin pools, at most. `auto`: as it turns out."),
    ] = 20.0
    reserved_percentage: Annotated[
        int, says("Part of each pool that is never given away.", ge=0, le=100)
    ] = 0
    max_attempts: Annotated[
        int, says("Backends that try to make a volume, one after the other. 1: no second.", ge=1)
    ] = 3
    filters: Annotated[
        tuple[FilterName, ...],
        says("What refuses pools, in this order. Backends that failed before are always refused."),
    ] = ("AvailabilityZoneFilter", "CapacityFilter", "CapabilitiesFilter")
    weighers: Annotated[
        tuple[WeigherName, ...], says("What ranks the pools that are left; their sum counts.")
    ] = ("CapacityWeigher",)
    capacity_multiplier: Annotated[
        float, says("Weight of room. Below 0: the fullest pool first.")
    ] = 1.0
    allocated_capacity_multiplier: Annotated[
        float, says("Weight of what is promised already. Below 0: the emptiest pool first.")
    ] = -1.0
    volume_number_multiplier: Annotated[
        float, says("Weight of the number of volumes. Below 0: the fewest first.")
    ] = -1.0
    goodness_multiplier: Annotated[float, says("Weight of goodness functions.")] = 1.0
    copies_stay: Annotated[
        bool,
        says(
            "Whether volumes made from snapshots or volumes stay on the backend of those. If not,"
            " backends that can read them may copy them (Cinder: snapshot_same_host)."
        ),
    ] = True
    copies_same_zone: Annotated[
        bool,
        says("Whether they stay in the availability zone, too (Cinder: cloned_volume_same_az)."),
    ] = True


class Messages(Section, frozen=True, kw_only=True):
    """What users are told of failures (Cinder's user messages)."""

    ttl_s: Annotated[
        Seconds, says("How long a message is shown (Cinder: message_ttl).", le=3e9)
    ] = 30 * 86400.0


class VolumeTypes(Section, frozen=True, kw_only=True):
    """Volume types."""

    default: Annotated[
        str, says("Type of volumes that name none.", min_length=1, max_length=255)
    ] = "__DEFAULT__"


class Backend(Section, frozen=True, kw_only=True):
    """One place where volumes are kept. Setting any backend replaces the default one."""

    driver: Annotated[Literal["file", "memory"], says("What keeps the volumes.")] = "file"
    directory: Annotated[str, says("Where the file driver keeps them. Empty: `data_dir`/name.")] = (
        ""
    )
    nbd_host: Annotated[
        str,
        says(
            "Address on which the file driver exports attached volumes over NBD; anybody who"
            " reaches it and knows the attachment may use the volume. Empty: Unix sockets."
        ),
    ] = ""
    nbd_first_port: Annotated[
        int, says("Lowest port for that; each attachment has its own.", ge=1, le=65535)
    ] = 10809
    pools: Annotated[
        tuple[Name, ...], says("Names of its pools. Empty: one, named as the backend.")
    ] = ()
    zone: Annotated[str, says("Its availability zone. Empty: `placement.default_zone`.")] = ""
    volume_backend_name: Annotated[
        str, says("What volume types call it; several may share one. Empty: its own name.")
    ] = ""
    capabilities: Annotated[
        dict[str, bool | int | float | str], says("What volume types may ask of it besides.")
    ] = {}
    filter_function: Annotated[
        str, says("Expression that has to be true to place a volume here (DriverFilter).")
    ] = ""
    goodness_function: Annotated[
        str, says("Expression for how good a place it is, 0 to 100 (GoodnessWeigher).")
    ] = ""
    image_cache: Annotated[
        bool,
        says(
            "Whether images stay here once a volume was made from them, so that the next ones are"
            " clones (Cinder: image_volume_cache_enabled)."
        ),
    ] = False
    image_cache_max_count: Annotated[
        int, says("Images that stay; the least recently used goes first. 0: any number.", ge=0)
    ] = 0
    image_cache_max_gib: Annotated[
        int, says("GiB of the volumes that keep them, together. 0: without limit.", ge=0)
    ] = 0
    capacity_gib: Annotated[
        float, says("What each pool of the memory driver claims to hold.", gt=0)
    ] = 1e9


class KeyManager(Section, frozen=True, kw_only=True):
    """What keeps the keys of encrypted volumes."""

    driver: Annotated[
        Literal["file", "castellan"],
        says("`file`: a file for each key. `castellan`: Barbican or Vault (extra `castellan`)."),
    ] = "file"
    directory: Annotated[
        str, says("Where `file` keeps them; every process has to reach it. Empty: `data_dir`/keys.")
    ] = ""
    config: Annotated[
        str, says("oslo.config file of `castellan`: backend and credentials in `[key_manager]`.")
    ] = ""
    patience_s: Annotated[
        float, says("How long a volume waits for its key while there is no answer.", ge=0)
    ] = 60.0
    timeout_s: Annotated[Seconds, says("How long one call may take.")] = 60.0


class Backups(Section, frozen=True, kw_only=True):
    """Where backups are kept, and how."""

    directory: Annotated[
        str, says("Every process that makes backups has to reach it. Empty: `data_dir`/backups.")
    ] = ""
    chunk_mib: Annotated[
        int,
        says("Length of chunks. Shorter: smaller increments. Longer: fewer files.", ge=1, le=64),
    ] = 4
    compression: Annotated[
        Literal["zstd", "none"], says("How chunks are stored that get smaller by it.")
    ] = "zstd"


class ImageService(Section, frozen=True, kw_only=True):
    """Where images are, to make volumes from and to upload volumes to."""

    driver: Annotated[
        Literal["directory", "glance"],
        says("`directory`: a file for each image. `glance`: OpenStack's (extra `glance`)."),
    ] = "directory"
    directory: Annotated[
        str,
        says(
            "Where `directory` keeps them; every process has to reach it. Empty: `data_dir`/images."
        ),
    ] = ""
    cloud: Annotated[
        str, says("Cloud in clouds.yaml as which `glance` is asked, by a service user of ours.")
    ] = ""
    endpoint: Annotated[
        str, says("URL of a `glance` that asks for no authentication; only without `cloud`.")
    ] = ""
    timeout_s: Annotated[
        Seconds, says("How long one answer may take, and each 4 MiB of an image.")
    ] = 30.0
    upload_attached: Annotated[
        bool,
        says(
            "Whether users may insist that an attached volume become an image, as its server left"
            " it at no one moment (Cinder: enable_force_upload)."
        ),
    ] = False
    conversion_directory: Annotated[
        str,
        says(
            "Where images lie that have to be converted, on each machine of a backend."
            " Empty: `data_dir`/conversion."
        ),
    ] = ""
    formats: Annotated[
        tuple[DiskFormat, ...],
        says("Disk formats that volumes are made from; others than raw need qemu-img."),
    ] = ("raw", "iso", "ami", "qcow2", "vmdk", "vdi", "vhd", "vhdx")


class ImageCache(Section, frozen=True, kw_only=True):
    """Images that backends keep, where `image_cache` is set for them."""

    project_id: Annotated[
        HexId,
        says(
            "Project whose volumes they are; its quota limits them, too"
            " (Cinder: cinder_internal_tenant_project_id)."
        ),
    ] = "00000000000000000000000000000003"


class Processes(Section, frozen=True, kw_only=True):
    """Process managers: they react to events, call drivers and record what came of it."""

    ack_wait_s: Annotated[Seconds, says("Silence after which a worker is taken for dead.")] = 10.0
    concurrency: Annotated[
        int, says("Events that one process manager works on at a time.", ge=1)
    ] = 64
    max_deliveries: Annotated[
        int, says("Tries before an event is parked for an operator.", ge=1)
    ] = 8
    driver_timeout_s: Annotated[Seconds, says("How long one call to a driver may take.")] = 600.0
    copy_timeout_s: Annotated[
        Seconds, says("How long the content of a volume may take to be copied elsewhere.")
    ] = 86400.0
    backoff_s: Annotated[
        tuple[Annotated[float, Meta(ge=0)], ...],
        says("Pauses between tries; the last one repeats.", min_length=1),
    ] = (0.5, 2.0, 5.0, 15.0, 60.0)


class Deadlines(Section, frozen=True, kw_only=True):
    """How long what is under way may wait for whoever has to go on with it; then it is given up."""

    placement_s: Annotated[
        Seconds, says("A volume without a backend, until it is in error.", le=MOST_S)
    ] = 1800.0
    creation_s: Annotated[
        Seconds,
        says(
            "Each backend with a volume it is to make; then another tries, or it is in error.",
            le=MOST_S,
        ),
    ] = 3600.0
    download_s: Annotated[
        Seconds, says("A backend with an image that it is to bring to a volume.", le=MOST_S)
    ] = 86400.0
    deletion_s: Annotated[
        Seconds, says("A backend with a volume it is to delete, until error_deleting.", le=MOST_S)
    ] = 3600.0
    extension_s: Annotated[
        Seconds, says("Each step of an extension, until the volume has its old size.", le=MOST_S)
    ] = 3600.0
    attachment_s: Annotated[
        Seconds, says("A backend that is to connect or disconnect a node.", le=MOST_S)
    ] = 3600.0
    backup_s: Annotated[
        Seconds,
        says("A worker that makes or restores a backup, until it has failed.", le=MOST_S),
    ] = 172800.0
    upload_s: Annotated[
        Seconds, says("A backend with a volume that is to become an image.", le=MOST_S)
    ] = 2 * 86400.0
    moving_s: Annotated[
        Seconds,
        says("A retype or migration, until the volume stays what and where it was.", le=MOST_S),
    ] = 2 * 86400.0
    copying_s: Annotated[
        Seconds,
        says("As `creation_s`, where a volume is made from a snapshot or a volume.", le=MOST_S),
    ] = 2 * 86400.0
    interval_s: Annotated[Seconds, says("How often to look for what is overdue.", le=MOST_S)] = 30.0
    grace_s: Annotated[
        float,
        says("How long a process that has just started lets everything be.", ge=0, le=MOST_S),
    ] = 300.0

    @property
    def allowed(self) -> dict[str, float]:
        """The deadlines by their names, in seconds."""
        return {name: getattr(self, f"{name}_s") for name in NAMES}


class Relay(Section, frozen=True, kw_only=True):
    """The relay: publishes the committed log, in order. One is active at a time."""

    lease_s: Annotated[
        Seconds, says("How long the active relay may be silent before another's.")
    ] = 5.0
    batch: Annotated[int, says("Events published at a time.", ge=1, le=100_000)] = 500


class Notifications(Section, frozen=True, kw_only=True):
    """What other programs are told of operations, as Cinder's notifications, on JetStream."""

    enabled: Annotated[bool, says("Tell them (Cinder: a notification driver is set).")] = True
    keep_s: Annotated[
        float, says("How long the stream keeps them. A stream that is lost is told anew.", ge=1)
    ] = 7 * 86400.0


class Logging(Section, frozen=True, kw_only=True):
    """What the processes write to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], says("Least level written.")] = (
        "info"
    )
    format: Annotated[
        Literal["auto", "json", "text"],
        says("auto: text on a terminal, else JSON, one object a line."),
    ] = "auto"


class Metrics(Section, frozen=True, kw_only=True):
    """Prometheus metrics."""

    enabled: Annotated[bool, says("Answer on /metrics of the API's port.")] = True
    port: Annotated[
        int,
        says("Port of /metrics for a process that has no API. 0: none.", ge=0, le=65535),
    ] = 0


class Settings(Section, frozen=True, kw_only=True):
    """All settings of one process. What `load` returns is complete and valid."""

    data_dir: Annotated[
        str, says("Directory of everything that is kept on this machine.", min_length=1)
    ] = "./lapilli-data"
    host: Annotated[
        str, says("Name of this machine in `host@backend#pool`. Empty: its host name.")
    ] = ""
    report_interval_s: Annotated[
        Seconds, says("How often a backend reports its capacity and health.")
    ] = 10.0
    service_down_s: Annotated[Seconds, says("Silence after which a service counts as down.")] = 60.0

    api: Api = msgspec.field(default_factory=Api)
    identity: Identity = msgspec.field(default_factory=Identity)
    policy: Policy = msgspec.field(default_factory=Policy)
    database: Database = msgspec.field(default_factory=Database)
    nats: Nats = msgspec.field(default_factory=Nats)
    relay: Relay = msgspec.field(default_factory=Relay)
    notifications: Notifications = msgspec.field(default_factory=Notifications)
    processes: Processes = msgspec.field(default_factory=Processes)
    deadlines: Deadlines = msgspec.field(default_factory=Deadlines)
    backends: dict[Name, Backend] = msgspec.field(default_factory=lambda: {"files": Backend()})
    placement: Placement = msgspec.field(default_factory=Placement)
    messages: Messages = msgspec.field(default_factory=Messages)
    volume_types: VolumeTypes = msgspec.field(default_factory=VolumeTypes)
    key_manager: KeyManager = msgspec.field(default_factory=KeyManager)
    backups: Backups = msgspec.field(default_factory=Backups)
    image_service: ImageService = msgspec.field(default_factory=ImageService)
    image_cache: ImageCache = msgspec.field(default_factory=ImageCache)
    quota: Quota = msgspec.field(default_factory=Quota)
    logging: Logging = msgspec.field(default_factory=Logging)
    metrics: Metrics = msgspec.field(default_factory=Metrics)

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir).expanduser().resolve()

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.data_path / 'lapilli.db'}"

    @property
    def views_url(self) -> str:
        """Where the read models are: on SQLite in a file of their own."""
        return self.database.url or f"sqlite:///{self.data_path / 'views.db'}"

    @property
    def nats_is_embedded(self) -> bool:
        return not self.nats.url

    @property
    def nats_path(self) -> Path:
        """Where the embedded nats-server keeps its streams."""
        return self.data_path / "nats"

    @property
    def keys_path(self) -> Path:
        """Where the file key manager keeps the keys."""
        directory = self.key_manager.directory
        return Path(directory).expanduser().resolve() if directory else self.data_path / "keys"

    @property
    def backups_path(self) -> Path:
        """Where backups are kept."""
        directory = self.backups.directory
        return Path(directory).expanduser().resolve() if directory else self.data_path / "backups"

    @property
    def conversion_path(self) -> Path:
        """Where images lie that have to be converted."""
        directory = self.image_service.conversion_directory
        return (
            Path(directory).expanduser().resolve() if directory else self.data_path / "conversion"
        )

    @property
    def images_path(self) -> Path:
        """Where the directory of images is."""
        directory = self.image_service.directory
        return Path(directory).expanduser().resolve() if directory else self.data_path / "images"

    @property
    def host_name(self) -> str:
        return self.host or socket.gethostname()

    def backend_path(self, name: str) -> Path:
        """The directory of this backend. Raises KeyError if there is no such backend."""
        directory = self.backends[name].directory
        return Path(directory).expanduser().resolve() if directory else self.data_path / name

    def backend_pools(self, name: str) -> tuple[str, ...]:
        return self.backends[name].pools or (name,)

    def backend_zone(self, name: str) -> str:
        return self.backends[name].zone or self.placement.default_zone


_FLAGS = {"api.host": "--host", "api.port": "--port", "host": "--host-name"}
_ALL = list(sources.settings_in(Settings, flags=_FLAGS))


def load(
    *,
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings from every source. `flags` are by dotted key; None is a flag not given.

    Raises SettingsError for what cannot be read, does not exist or has a value that is not allowed.
    """
    layers = []
    if config is not None:
        layers.append(sources.from_file(config, "flag --config"))
    elif named := environ.get(sources.CONFIG_VARIABLE):
        source = f"environment variable {sources.CONFIG_VARIABLE}"
        layers.append(sources.from_file(Path(named), source))
    layers.extend(sources.from_environment(environ, _ALL))
    layers.extend(sources.from_flags(flags or {}, _ALL))

    merged: dict[str, Any] = {}
    for source, raw in layers:
        values = sources.checked(raw, against=Settings, source=source)
        merged = sources.laid_over(merged, values, Settings)
    settings = msgspec.convert(merged, Settings)
    _refuse_shared_directories(settings)
    _refuse_hasty_deadlines(settings)
    _refuse_glance_nowhere(settings)
    return settings


def flags() -> list[Setting]:
    """The settings that have a flag, for the command line to offer."""
    return [setting for setting in _ALL if setting.flag]


def reference() -> str:
    """The reference page of all settings, in Markdown."""
    titles = {"backends": Backend.__doc__ or ""}
    for field in msgspec.structs.fields(Settings):
        titles.setdefault(field.encode_name, getattr(field.type, "__doc__", None) or "")
    return settings_reference.page(_ALL, titles=titles)


def _refuse_hasty_deadlines(settings: Settings) -> None:
    """What may still succeed must not be given up: a driver's call, and its worker's death."""
    processes = settings.processes
    least = {
        **dict.fromkeys(NAMES, processes.driver_timeout_s + processes.ack_wait_s),
        "moving": processes.copy_timeout_s + processes.ack_wait_s,
        "backup": processes.copy_timeout_s + processes.ack_wait_s,
        "copying": processes.copy_timeout_s + processes.ack_wait_s,
        "placement": settings.placement.patience_s,
    }
    for name, allowed_s in settings.deadlines.allowed.items():
        if allowed_s <= least[name]:
            raise SettingsError(
                source="deadlines",
                key=f"deadlines.{name}_s",
                value=f"{allowed_s:g}",
                expected=f"more than {least[name]:g}, which what it ends may take",
            )


def _refuse_glance_nowhere(settings: Settings) -> None:
    """Glance is found by exactly one of the two."""
    chosen = settings.image_service
    if chosen.driver == "glance" and bool(chosen.cloud) == bool(chosen.endpoint):
        raise SettingsError(
            source="image_service",
            key="image_service.cloud",
            value=chosen.cloud,
            expected="either a cloud or an endpoint",
        )


def _refuse_shared_directories(settings: Settings) -> None:
    """Two file backends in one directory would delete each other's volumes, and backups in one of
    a backend would take its pools for containers."""
    owners: dict[Path, str] = {settings.backups_path: "of backups"}
    for name, backend in settings.backends.items():
        if backend.driver != "file":
            continue
        owner = owners.setdefault(settings.backend_path(name), name)
        if owner != name:
            raise SettingsError(
                source=f"backends {owner} and {name}",
                key=f"backends.{name}.directory",
                value=str(settings.backend_path(name)),
                expected="a directory of its own",
            )
