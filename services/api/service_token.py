"""What only another service may do: ending an attachment that a server uses (CVE-2023-2088).

A user who ended it behind the compute service's back might then be given a device that is
another's by that time.
"""

from domain.errors import OutOfStep
from projections.attachments import AttachmentRow
from services.api.call import Call
from services.api.identity import SERVICE


def check(call: Call, attachment: AttachmentRow) -> None:
    """Raises OutOfStep (409) if a server uses it, and no service speaks for the caller."""
    used = attachment.server_id is not None and bool(attachment.connection)
    if used and SERVICE not in call.caller.service_roles:
        raise OutOfStep(
            f"Attachment {attachment.id} is in use by server {attachment.server_id}: detach it"
            " with the compute service."
        )
