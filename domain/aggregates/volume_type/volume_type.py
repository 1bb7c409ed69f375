"""A volume type: a named promise of the catalogue that volumes are made to."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.volume_type.events import (
    AccessGranted,
    AccessRevoked,
    Created,
    DefaultEnded,
    Deleted,
    Described,
    EncryptionAdded,
    EncryptionChanged,
    EncryptionRemoved,
    ExtraSpecsChanged,
    MadeDefault,
    MadePrivate,
    Published,
    QosAssociated,
    QosDisassociated,
    Renamed,
)
from domain.encryption import Encryption, checked_encryption
from domain.errors import AlreadyExists, InUse, InvalidRequest, NotFound
from domain.event import Event, Moment
from domain.lifecycle import Lifecycle
from domain.machines.volume_type import VOLUME_TYPE
from domain.specs import (
    LARGEST_GIB,
    SMALLEST_GIB,
    checked_specs,
    multiattach,
    size_bound,
)


class VolumeType(Aggregate):
    """See the module. Names are unique; the store sees to that when events are stored."""

    kind: ClassVar[str] = "volume_type"
    lifecycle: ClassVar[Lifecycle] = VOLUME_TYPE
    snapshot_version: ClassVar[int] = 3

    name: str = ""
    description: str | None = None
    is_public: bool = True
    extra_specs: dict[str, str] = {}
    projects: tuple[str, ...] = ()
    """Those that may use it while it is private."""
    qos_specs_id: str | None = None
    encryption: Encryption | None = None
    encryption_id: str | None = None
    default_of: tuple[str, ...] = ()
    """The projects whose default it is."""

    @classmethod
    def create(
        cls,
        id: UUID,
        *,
        name: str,
        description: str | None,
        is_public: bool,
        extra_specs: dict[str, str],
        at: Moment,
    ) -> "VolumeType":
        """A new type. Raises InvalidRequest for extra specs that contradict themselves."""
        volume_type = cls(id=id)
        volume_type.record(
            Created(
                name=name,
                description=description,
                is_public=is_public,
                extra_specs=checked_specs(extra_specs),
            ),
            at,
        )
        return volume_type

    # what it is called, and who sees it

    def rename(self, name: str, at: Moment) -> None:
        """The same name again records nothing; one that is taken is refused by the store."""
        if name != self.name:
            self.record(Renamed(name=name, formerly=self.name), at)

    def describe(self, description: str | None, at: Moment) -> None:
        """The same again records nothing."""
        if description != self.description:
            self.record(Described(description=description), at)

    def publish(self, at: Moment) -> None:
        """Shows it to everybody. Who was given access before keeps it for later."""
        if not self.is_public:
            self.record(Published(), at)

    def make_private(self, at: Moment) -> None:
        """Shows it only to projects that were given access."""
        if self.is_public:
            self.record(MadePrivate(), at)

    def grant_access(self, project_id: str, at: Moment) -> None:
        """Raises InvalidRequest on a public type, AlreadyExists where it is granted already."""
        self._check_private()
        if project_id in self.projects:
            raise AlreadyExists(kind="volume_type_access", id=f"{self.id} of {project_id}")
        projects = sorted({*self.projects, project_id})
        self.record(AccessGranted(project_id=project_id, projects=projects), at)

    def revoke_access(self, project_id: str, at: Moment) -> None:
        """Raises InvalidRequest on a public type, NotFound where it was never granted."""
        self._check_private()
        if project_id not in self.projects:
            raise NotFound(kind="volume_type_access", id=f"{self.id} of {project_id}")
        projects = sorted({*self.projects} - {project_id})
        self.record(AccessRevoked(project_id=project_id, projects=projects), at)

    def visible_to(self, project_id: str | None) -> "VolumeType":
        """Itself. Raises NotFound if it is gone, or not for this project (None: sees all)."""
        seen = self.is_public or project_id is None or project_id in self.projects
        if self.state != "available" or not seen:
            raise NotFound(kind=self.kind, id=str(self.id))
        return self

    # what it promises

    def change_extra_specs(self, extra_specs: Mapping[str, str], at: Moment) -> None:
        """Replaces all; the same again records nothing. The store refuses it while in use."""
        if dict(extra_specs) != self.extra_specs:
            self.record(ExtraSpecsChanged(extra_specs=checked_specs(extra_specs)), at)

    def check_size(self, size_gib: int) -> None:
        """Raises InvalidRequest for a size outside what its extra specs allow (Cinder: 400)."""
        smallest = size_bound(self.extra_specs, SMALLEST_GIB)
        largest = size_bound(self.extra_specs, LARGEST_GIB)
        if smallest is not None and size_gib < smallest:
            raise InvalidRequest(
                f"Specified volume size of {size_gib} GiB is less than the minimum required size"
                f" of {smallest} GiB for volume type {self.name}."
            )
        if largest is not None and size_gib > largest:
            raise InvalidRequest(
                f"Specified volume size of {size_gib} GiB is greater than the maximum allowable"
                f" size of {largest} GiB for volume type {self.name}."
            )

    @property
    def multiattach(self) -> bool:
        """Whether several may have one of its volumes at a time."""
        return multiattach(self.extra_specs)

    def associate_qos(self, qos_specs_id: UUID, at: Moment) -> None:
        """Raises InvalidRequest if it has other QoS specs."""
        if self.qos_specs_id is not None:
            raise InvalidRequest(
                f"Volume type {self.id} is already associated with another qos specs:"
                f" {self.qos_specs_id}."
            )
        self.record(QosAssociated(qos_specs_id=str(qos_specs_id)), at)

    def disassociate_qos(self, at: Moment) -> None:
        """Nothing happens where it has none."""
        if self.qos_specs_id is not None:
            self.record(QosDisassociated(qos_specs_id=self.qos_specs_id), at)

    def encrypt(self, encryption_id: UUID, encryption: Encryption, at: Moment) -> None:
        """Encrypts its volumes. Raises InvalidRequest if it does so already (Cinder: 400, not 409),
        or they cannot be encrypted so. The store refuses it while in use, here and below."""
        if self.encryption is not None:
            raise InvalidRequest(f"Volume type {self.id} is encrypted already.")
        self.record(
            EncryptionAdded(
                encryption_id=str(encryption_id), encryption=checked_encryption(encryption)
            ),
            at,
        )

    def change_encryption(self, encryption: Encryption, at: Moment) -> None:
        """The same again records nothing. Raises as `encrypted`, and InvalidRequest."""
        if encryption != self.encrypted():
            self.record(EncryptionChanged(encryption=checked_encryption(encryption)), at)

    def remove_encryption(self, at: Moment) -> None:
        """Raises as `encrypted`."""
        self.encrypted()
        self.record(EncryptionRemoved(encryption_id=str(self.encryption_id)), at)

    def encrypted(self) -> Encryption:
        """How its volumes are encrypted. Raises NotFound if they are not."""
        if self.encryption is None:
            raise NotFound(kind="volume_type_encryption", id=f"of {self.id}")
        return self.encryption

    # who depends on it

    def become_default_of(self, project_id: str, at: Moment) -> None:
        """Recorded here too, so that it cannot be deleted meanwhile."""
        self.record(MadeDefault(project_id=project_id), at)

    def end_default_of(self, project_id: str, at: Moment) -> None:
        """See `become_default_of`."""
        self.record(DefaultEnded(project_id=project_id), at)

    def delete(self, at: Moment) -> None:
        """Raises InUse while it is a project's default; the store refuses it while volumes use
        it, and where it is the only one."""
        if self.default_of:
            raise InUse(kind=self.kind, id=str(self.id), by=f"project {self.default_of[0]}")
        self.record(Deleted(name=self.name), at)

    @property
    def at_rest(self) -> bool:
        """Nothing is ever owed to it."""
        return True

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Created():
                self.name, self.is_public = event.name, event.is_public
                self.description, self.extra_specs = event.description, event.extra_specs
            case Renamed():
                self.name = event.name
            case Described():
                self.description = event.description
            case Published():
                self.is_public = True
            case MadePrivate():
                self.is_public = False
            case ExtraSpecsChanged():
                self.extra_specs = event.extra_specs
            case AccessGranted() | AccessRevoked():
                self.projects = tuple(event.projects)
            case QosAssociated():
                self.qos_specs_id = event.qos_specs_id
            case QosDisassociated():
                self.qos_specs_id = None
            case EncryptionAdded():
                self.encryption, self.encryption_id = event.encryption, event.encryption_id
            case EncryptionChanged():
                self.encryption = event.encryption
            case EncryptionRemoved():
                self.encryption = self.encryption_id = None
            case MadeDefault():
                self.default_of = (*self.default_of, event.project_id)
            case DefaultEnded():
                self.default_of = tuple(p for p in self.default_of if p != event.project_id)
            case _:
                pass

    def _check_private(self) -> None:
        if self.is_public:
            raise InvalidRequest(
                f"Type access modification is not applicable to public volume type {self.id}."
            )
