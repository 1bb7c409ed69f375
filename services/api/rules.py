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
GET = "volume:get"
GET_ALL = "volume:get_all"
UPDATE = "volume:update"
DELETE = "volume:delete"
FORCE_DELETE = "volume:force_delete"
ACTION_FORCE_DELETE = "volume_extension:volume_admin_actions:force_delete"
FIELD_HOST = "volume_extension:volume_host_attribute"
FIELD_MIGRATION = "volume_extension:volume_mig_status_attribute"
FIELD_PROJECT = "volume_extension:volume_tenant_attribute"
ENCRYPTION = "volume_extension:volume_encryption_metadata"
GET_METADATA = "volume:get_volume_metadata"
CREATE_METADATA = "volume:create_volume_metadata"
UPDATE_METADATA = "volume:update_volume_metadata"
DELETE_METADATA = "volume:delete_volume_metadata"
TYPE_GET = "volume_extension:type_get"
TYPE_GET_ALL = "volume_extension:type_get_all"
FIELD_TYPE_SPECS = "volume_extension:access_types_extra_specs"
FIELD_TYPE_QOS = "volume_extension:access_types_qos_specs_id"
TYPE_SENSITIVE_SPECS = "volume_extension:types_extra_specs:read_sensitive"
FIELD_TYPE_PUBLIC = "volume_extension:volume_type_access"
QUOTAS_SHOW = "volume_extension:quotas:show"
QUOTAS_UPDATE = "volume_extension:quotas:update"
QUOTAS_DELETE = "volume_extension:quotas:delete"
USED_LIMITS = "limits_extension:used_limits"
SERVICES = "volume_extension:services:index"
POOLS = "scheduler_extension:scheduler_stats:get_pools"

RULES: Mapping[str, str] = {
    CREATE: MEMBER,
    GET: READER,
    GET_ALL: READER,
    UPDATE: MEMBER,
    DELETE: MEMBER,
    FORCE_DELETE: ADMIN,
    ACTION_FORCE_DELETE: ADMIN,
    FIELD_HOST: ADMIN,
    FIELD_MIGRATION: ADMIN,
    FIELD_PROJECT: READER,
    ENCRYPTION: READER,
    GET_METADATA: READER,
    CREATE_METADATA: MEMBER,
    UPDATE_METADATA: MEMBER,
    DELETE_METADATA: MEMBER,
    TYPE_GET: READER,
    TYPE_GET_ALL: READER,
    FIELD_TYPE_SPECS: READER,
    FIELD_TYPE_QOS: ADMIN,
    TYPE_SENSITIVE_SPECS: ADMIN,
    FIELD_TYPE_PUBLIC: MEMBER,
    QUOTAS_SHOW: READER,
    QUOTAS_UPDATE: ADMIN,
    QUOTAS_DELETE: ADMIN,
    USED_LIMITS: READER,
    SERVICES: ADMIN,
    POOLS: ADMIN,
}
"""Each rule, and the persona that passes it by default."""
