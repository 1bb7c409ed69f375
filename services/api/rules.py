"""The policy rules that guard what exists, with Cinder's names and defaults (policies.md 1, 2)."""

from collections.abc import Mapping

CONTEXT_IS_ADMIN = "context_is_admin"

ADMIN, MEMBER, READER = "admin", "member", "reader"

OLD = "rule:admin_or_owner"
"""What member and reader rules were before; still enough, so any role in the project passes."""

CHECKS: Mapping[str, str] = {
    CONTEXT_IS_ADMIN: "role:admin",
    "admin_or_owner": (
        "is_admin:True or (role:admin and is_admin_project:True) or project_id:%(project_id)s"
    ),
    "admin_api": "is_admin:True or (role:admin and is_admin_project:True)",
    "xena_system_admin_or_project_member": (
        "(role:admin) or (role:member and project_id:%(project_id)s)"
    ),
    "xena_system_admin_or_project_reader": (
        "(role:admin) or (role:reader and project_id:%(project_id)s)"
    ),
}
"""What the personas mean; other rules refer to them, and so may an operator's file."""

PERSONAS: Mapping[str, str] = {
    ADMIN: "rule:admin_api",
    MEMBER: "rule:xena_system_admin_or_project_member",
    READER: "rule:xena_system_admin_or_project_reader",
}

CREATE = "volume:create"
CREATE_FROM_IMAGE = "volume:create_from_image"
GET = "volume:get"
GET_ALL = "volume:get_all"
UPDATE = "volume:update"
DELETE = "volume:delete"
FORCE_DELETE = "volume:force_delete"
ACTION_FORCE_DELETE = "volume_extension:volume_admin_actions:force_delete"
RETYPE = "volume:retype"
MULTIATTACH = "volume:multiattach"
MIGRATE = "volume_extension:volume_admin_actions:migrate_volume"
MIGRATE_COMPLETION = "volume_extension:volume_admin_actions:migrate_volume_completion"
EXTEND = "volume:extend"
REVERT = "volume:revert_to_snapshot"
EXTEND_ATTACHED = "volume:extend_attached_volume"
UPDATE_READONLY = "volume:update_readonly_flag"
FIELD_IMAGE_METADATA = "volume_extension:volume_image_metadata:show"
SET_IMAGE_METADATA = "volume_extension:volume_image_metadata:set"
REMOVE_IMAGE_METADATA = "volume_extension:volume_image_metadata:remove"
RESET_STATUS = "volume_extension:volume_admin_actions:reset_status"
TRANSFER_CREATE = "volume:create_transfer"
TRANSFER_ACCEPT = "volume:accept_transfer"
TRANSFER_DELETE = "volume:delete_transfer"
TRANSFER_GET = "volume:get_transfer"
TRANSFER_GET_ALL = "volume:get_all_transfers"
MULTIATTACH_BOOTABLE = "volume:multiattach_bootable_volume"
ATTACHMENT_CREATE = "volume:attachment_create"
ATTACHMENT_UPDATE = "volume:attachment_update"
ATTACHMENT_DELETE = "volume:attachment_delete"
ATTACHMENT_COMPLETE = "volume:attachment_complete"
RESERVE = "volume_extension:volume_actions:reserve"
UPLOAD = "volume_extension:volume_actions:upload_image"
UPLOAD_PUBLIC = "volume_extension:volume_actions:upload_public"
UNRESERVE = "volume_extension:volume_actions:unreserve"
BEGIN_DETACHING = "volume_extension:volume_actions:begin_detaching"
ROLL_DETACHING = "volume_extension:volume_actions:roll_detaching"
ATTACH = "volume_extension:volume_actions:attach"
DETACH = "volume_extension:volume_actions:detach"
INITIALIZE_CONNECTION = "volume_extension:volume_actions:initialize_connection"
TERMINATE_CONNECTION = "volume_extension:volume_actions:terminate_connection"
FORCE_DETACH = "volume_extension:volume_admin_actions:force_detach"
FIELD_HOST = "volume_extension:volume_host_attribute"
FIELD_MIGRATION = "volume_extension:volume_mig_status_attribute"
FIELD_PROJECT = "volume_extension:volume_tenant_attribute"
ENCRYPTION = "volume_extension:volume_encryption_metadata"
GET_METADATA = "volume:get_volume_metadata"
CREATE_METADATA = "volume:create_volume_metadata"
UPDATE_METADATA = "volume:update_volume_metadata"
DELETE_METADATA = "volume:delete_volume_metadata"
SNAPSHOT_GET = "volume:get_snapshot"
SNAPSHOT_GET_ALL = "volume:get_all_snapshots"
SNAPSHOT_CREATE = "volume:create_snapshot"
SNAPSHOT_UPDATE = "volume:update_snapshot"
SNAPSHOT_DELETE = "volume:delete_snapshot"
FIELD_SNAPSHOT_EXTENDED = "volume_extension:extended_snapshot_attributes"
SNAPSHOT_UPDATE_STATUS = "snapshot_extension:snapshot_actions:update_snapshot_status"
SNAPSHOT_RESET_STATUS = "volume_extension:snapshot_admin_actions:reset_status"
SNAPSHOT_FORCE_DELETE = "volume_extension:snapshot_admin_actions:force_delete"
SNAPSHOT_GET_METADATA = "volume:get_snapshot_metadata"
SNAPSHOT_UPDATE_METADATA = "volume:update_snapshot_metadata"
SNAPSHOT_DELETE_METADATA = "volume:delete_snapshot_metadata"
TYPE_CREATE = "volume_extension:type_create"
TYPE_UPDATE = "volume_extension:type_update"
TYPE_DELETE = "volume_extension:type_delete"
TYPE_GET = "volume_extension:type_get"
TYPE_GET_ALL = "volume_extension:type_get_all"
FIELD_TYPE_SPECS = "volume_extension:access_types_extra_specs"
FIELD_TYPE_QOS = "volume_extension:access_types_qos_specs_id"
SPECS_LIST = "volume_extension:types_extra_specs:index"
SPECS_SHOW = "volume_extension:types_extra_specs:show"
SPECS_CREATE = "volume_extension:types_extra_specs:create"
SPECS_UPDATE = "volume_extension:types_extra_specs:update"
SPECS_DELETE = "volume_extension:types_extra_specs:delete"
TYPE_SENSITIVE_SPECS = "volume_extension:types_extra_specs:read_sensitive"
FIELD_TYPE_PUBLIC = "volume_extension:volume_type_access"
TYPE_ACCESS_LIST = "volume_extension:volume_type_access:get_all_for_type"
TYPE_ACCESS_ADD = "volume_extension:volume_type_access:addProjectAccess"
TYPE_ACCESS_REMOVE = "volume_extension:volume_type_access:removeProjectAccess"
TYPE_ENCRYPTION_CREATE = "volume_extension:volume_type_encryption:create"
TYPE_ENCRYPTION_GET = "volume_extension:volume_type_encryption:get"
TYPE_ENCRYPTION_UPDATE = "volume_extension:volume_type_encryption:update"
TYPE_ENCRYPTION_DELETE = "volume_extension:volume_type_encryption:delete"
QOS_GET_ALL = "volume_extension:qos_specs_manage:get_all"
QOS_GET = "volume_extension:qos_specs_manage:get"
QOS_CREATE = "volume_extension:qos_specs_manage:create"
QOS_UPDATE = "volume_extension:qos_specs_manage:update"
QOS_DELETE = "volume_extension:qos_specs_manage:delete"
DEFAULT_SET = "volume_extension:default_set_or_update"
DEFAULT_GET = "volume_extension:default_get"
DEFAULT_GET_ALL = "volume_extension:default_get_all"
DEFAULT_UNSET = "volume_extension:default_unset"
QUOTAS_SHOW = "volume_extension:quotas:show"
QUOTAS_UPDATE = "volume_extension:quotas:update"
QUOTAS_DELETE = "volume_extension:quotas:delete"
CLASSES_GET = "volume_extension:quota_classes:get"
CLASSES_UPDATE = "volume_extension:quota_classes:update"
USED_LIMITS = "limits_extension:used_limits"
SERVICES = "volume_extension:services:index"
SERVICES_UPDATE = "volume_extension:services:update"
FREEZE = "volume:freeze_host"
THAW = "volume:thaw_host"
MESSAGE_GET = "message:get"
MESSAGE_GET_ALL = "message:get_all"
MESSAGE_DELETE = "message:delete"
BACKUP_CREATE = "backup:create"
BACKUP_GET = "backup:get"
BACKUP_GET_ALL = "backup:get_all"
BACKUP_UPDATE = "backup:update"
BACKUP_DELETE = "backup:delete"
BACKUP_RESTORE = "backup:restore"
BACKUP_PROJECT = "backup:backup_project_attribute"
BACKUP_EXPORT = "backup:export-import"
BACKUP_IMPORT = "backup:backup-import"
BACKUP_RESET_STATUS = "volume_extension:backup_admin_actions:reset_status"
BACKUP_FORCE_DELETE = "volume_extension:backup_admin_actions:force_delete"
POOLS = "scheduler_extension:scheduler_stats:get_pools"

RULES: Mapping[str, str] = {
    CREATE: MEMBER,
    CREATE_FROM_IMAGE: MEMBER,
    RESET_STATUS: ADMIN,
    UPLOAD: MEMBER,
    UPLOAD_PUBLIC: ADMIN,
    BACKUP_CREATE: MEMBER,
    BACKUP_GET: READER,
    BACKUP_GET_ALL: READER,
    BACKUP_UPDATE: MEMBER,
    BACKUP_DELETE: MEMBER,
    BACKUP_RESTORE: MEMBER,
    BACKUP_PROJECT: ADMIN,
    BACKUP_EXPORT: ADMIN,
    BACKUP_IMPORT: ADMIN,
    BACKUP_RESET_STATUS: ADMIN,
    BACKUP_FORCE_DELETE: ADMIN,
    TRANSFER_CREATE: MEMBER,
    TRANSFER_ACCEPT: MEMBER,
    TRANSFER_DELETE: MEMBER,
    TRANSFER_GET: READER,
    TRANSFER_GET_ALL: READER,
    UPDATE_READONLY: MEMBER,
    FIELD_IMAGE_METADATA: READER,
    SET_IMAGE_METADATA: MEMBER,
    REMOVE_IMAGE_METADATA: MEMBER,
    RETYPE: MEMBER,
    MULTIATTACH: MEMBER,
    MIGRATE: ADMIN,
    MIGRATE_COMPLETION: ADMIN,
    EXTEND: MEMBER,
    EXTEND_ATTACHED: MEMBER,
    REVERT: MEMBER,
    GET: READER,
    GET_ALL: READER,
    UPDATE: MEMBER,
    DELETE: MEMBER,
    FORCE_DELETE: ADMIN,
    ACTION_FORCE_DELETE: ADMIN,
    MULTIATTACH_BOOTABLE: MEMBER,
    ATTACHMENT_CREATE: MEMBER,
    ATTACHMENT_UPDATE: MEMBER,
    ATTACHMENT_DELETE: MEMBER,
    ATTACHMENT_COMPLETE: MEMBER,
    RESERVE: MEMBER,
    UNRESERVE: MEMBER,
    BEGIN_DETACHING: MEMBER,
    ROLL_DETACHING: MEMBER,
    ATTACH: MEMBER,
    DETACH: MEMBER,
    INITIALIZE_CONNECTION: MEMBER,
    TERMINATE_CONNECTION: MEMBER,
    FORCE_DETACH: ADMIN,
    FIELD_HOST: ADMIN,
    FIELD_MIGRATION: ADMIN,
    FIELD_PROJECT: READER,
    ENCRYPTION: READER,
    GET_METADATA: READER,
    CREATE_METADATA: MEMBER,
    UPDATE_METADATA: MEMBER,
    DELETE_METADATA: MEMBER,
    SNAPSHOT_GET: READER,
    SNAPSHOT_GET_ALL: READER,
    SNAPSHOT_CREATE: MEMBER,
    SNAPSHOT_UPDATE: MEMBER,
    SNAPSHOT_DELETE: MEMBER,
    FIELD_SNAPSHOT_EXTENDED: READER,
    SNAPSHOT_UPDATE_STATUS: MEMBER,
    SNAPSHOT_RESET_STATUS: ADMIN,
    SNAPSHOT_FORCE_DELETE: ADMIN,
    SNAPSHOT_GET_METADATA: READER,
    SNAPSHOT_UPDATE_METADATA: MEMBER,
    SNAPSHOT_DELETE_METADATA: MEMBER,
    TYPE_CREATE: ADMIN,
    TYPE_UPDATE: ADMIN,
    TYPE_DELETE: ADMIN,
    TYPE_GET: READER,
    TYPE_GET_ALL: READER,
    FIELD_TYPE_SPECS: READER,
    FIELD_TYPE_QOS: ADMIN,
    SPECS_LIST: READER,
    SPECS_SHOW: READER,
    SPECS_CREATE: ADMIN,
    SPECS_UPDATE: ADMIN,
    SPECS_DELETE: ADMIN,
    TYPE_SENSITIVE_SPECS: ADMIN,
    FIELD_TYPE_PUBLIC: MEMBER,
    TYPE_ACCESS_LIST: ADMIN,
    TYPE_ACCESS_ADD: ADMIN,
    TYPE_ACCESS_REMOVE: ADMIN,
    TYPE_ENCRYPTION_CREATE: ADMIN,
    TYPE_ENCRYPTION_GET: ADMIN,
    TYPE_ENCRYPTION_UPDATE: ADMIN,
    TYPE_ENCRYPTION_DELETE: ADMIN,
    QOS_GET_ALL: ADMIN,
    QOS_GET: ADMIN,
    QOS_CREATE: ADMIN,
    QOS_UPDATE: ADMIN,
    QOS_DELETE: ADMIN,
    DEFAULT_SET: ADMIN,
    DEFAULT_GET: ADMIN,
    DEFAULT_GET_ALL: ADMIN,
    DEFAULT_UNSET: ADMIN,
    QUOTAS_SHOW: READER,
    QUOTAS_UPDATE: ADMIN,
    QUOTAS_DELETE: ADMIN,
    CLASSES_GET: ADMIN,
    CLASSES_UPDATE: ADMIN,
    USED_LIMITS: READER,
    SERVICES: ADMIN,
    SERVICES_UPDATE: ADMIN,
    FREEZE: ADMIN,
    THAW: ADMIN,
    MESSAGE_GET: READER,
    MESSAGE_GET_ALL: READER,
    MESSAGE_DELETE: MEMBER,
    POOLS: ADMIN,
}
"""Each rule, and the persona that passes it by default."""
