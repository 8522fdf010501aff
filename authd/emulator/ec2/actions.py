"""The emulated EC2: DescribeInstances with the filter `instance-id` or the parameter `InstanceId`. No I/O.

Source: Amazon EC2 API Reference, "DescribeInstances" and "Error codes".
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from authd.emulator.sts.actions import Result
from authd.emulator.sts.authentication import authenticate
from authd.emulator.sts.errors import STSError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authd.emulator.directory.instances import Instance
    from authd.emulator.directory.principals import Principal
    from authd.emulator.sts.actions import STS
    from authd.emulator.sts.parameters import Parameters
    from authd.emulator.sts.request import WireRequest

DESCRIBE_INSTANCES: Final = "DescribeInstances"
API_VERSION: Final = "2016-11-15"
NAMESPACE: Final = f"http://ec2.amazonaws.com/doc/{API_VERSION}/"
HOST: Final = re.compile(rb"ec2\.[a-z0-9-]+\.")
_INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_MAX_VALUES: Final = 200


class EC2Error(STSError):
    """An error response of EC2, in EC2's own XML."""

    def xml(self, request_id: str) -> str:
        """Return the response's body."""
        error = f"<Code>{self.code}</Code><Message>{html.escape(self.message, quote=False)}</Message>"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Instances(Result):
    """The result of DescribeInstances: one reservation for each instance."""

    found: tuple[Instance, ...]

    def xml(self, request_id: str) -> str:
        """Return the response's body."""
        reservations = "".join(map(_reservation, self.found))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse xmlns="{NAMESPACE}">\n'
            f"    <requestId>{request_id}</requestId>\n"
            f"    <reservationSet>{reservations}</reservationSet>\n</DescribeInstancesResponse>"
        )


class EC2:
    """The service. It shares directory, sessions and clock with the emulated STS."""

    def __init__(self, sts: STS) -> None:
        self._sts = sts

    def execute(self, request: WireRequest, parameters: Parameters) -> Result:
        """Execute the request's action. Raises the `EC2Error` or `STSError` that EC2 would respond with."""
        principal = self._principal(request)
        if parameters.action != DESCRIBE_INSTANCES or parameters.version != API_VERSION:
            message = f"The action {parameters.action} is not valid for this web service."
            raise EC2Error("InvalidAction", message, HTTPStatus.BAD_REQUEST)
        directory = self._sts.directory
        if principal.known_as & directory.may_not_describe:
            message = "You are not authorized to perform this operation."
            raise EC2Error("UnauthorizedOperation", message, HTTPStatus.FORBIDDEN)
        own = {key: each for key, each in directory.instances.items() if each.account == principal.account}
        named = _numbered(parameters, "InstanceId")
        missing = [each for each in named if each not in own]
        if missing:
            message = f"The instance ID '{missing[0]}' does not exist"
            raise EC2Error("InvalidInstanceID.NotFound", message, HTTPStatus.BAD_REQUEST)
        wanted = named or _filtered(parameters)
        found = tuple(own[each] for each in wanted if each in own)
        return Instances(action=DESCRIBE_INSTANCES, fields={}, found=found)

    def _principal(self, request: WireRequest) -> Principal:
        try:
            return authenticate(
                request,
                directory=self._sts.directory,
                sessions=self._sts.sessions,
                hosts=self._sts.hosts,
                now=self._sts.now(),
                service="ec2",
            )
        except STSError as error:
            code = "RequestExpired" if error.code == "ExpiredToken" else "AuthFailure"
            raise EC2Error(code, error.message, HTTPStatus.UNAUTHORIZED) from None


def _numbered(parameters: Parameters, name: str) -> list[str]:
    values: list[str] = []
    for number in range(1, _MAX_VALUES + 2):
        value = parameters.optional(f"{name}.{number}")
        if value is None:
            return values
        if not _INSTANCE_ID.fullmatch(value):
            raise EC2Error("InvalidInstanceID.Malformed", f'Invalid id: "{value[:64]}"', HTTPStatus.BAD_REQUEST)
        values.append(value)
    message = f"The maximum number of filter values is {_MAX_VALUES}"
    raise EC2Error("FilterLimitExceeded", message, HTTPStatus.BAD_REQUEST)


def _filtered(parameters: Parameters) -> Iterable[str]:
    if parameters.optional("Filter.1.Name") != "instance-id":
        raise EC2Error("InvalidParameterValue", "The filter is invalid", HTTPStatus.BAD_REQUEST)
    return _numbered(parameters, "Filter.1.Value")


def _reservation(instance: Instance) -> str:
    state = f"<instanceState><name>{instance.state}</name></instanceState>"
    interface = "<networkInterfaceSet><item><privateDnsName>not-this-one</privateDnsName></item></networkInterfaceSet>"
    return (
        f"<item><ownerId>{instance.account}</ownerId><instancesSet><item><instanceId>{instance.instance_id}</instanceId>"
        f"{state}<privateDnsName>{html.escape(instance.private_dns_name)}</privateDnsName>{interface}"
        "</item></instancesSet></item>"
    )
