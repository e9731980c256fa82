"""STS and IAM where moto's answers would stop SageMaker's clients.

Both SDKs take the caller's ARN for a role, SDK v3 has every role's permissions simulated
before it trains, and neither finds the roles that exist on AWS only.
"""

from __future__ import annotations

import json
import re
import threading
from typing import Any, cast

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.sts.models import AssumedRole, sts_backends
from moto.sts.responses import TokenResponse

from tuner.domain.errors import ValidationException

ROLE = "SageMakerRole"
SESSION = "local"
_SESSION_SECONDS = 12 * 3600
_ROLE_ID = "AROASAGEMAKERLOCAL00"
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_making = threading.Lock()


def account_of(access_key: str | None) -> str | None:
    """The account that moto gave the access key out in; None for a key that is not moto's."""
    for account, partitions in list(iam_backends.items()):
        if any(access_key in backend.access_keys for backend in list(partitions.values())):
            return account
    return None


def secret_of(access_key: str) -> str | None:
    """The secret of a key that moto gave out: to a user, while it is active, or with a session,
    until that ends; None for every other key."""
    for account, partitions in list(iam_backends.items()):
        for partition, backend in list(partitions.items()):
            key = backend.access_keys.get(access_key)
            if key is None or key.status != "Active":
                continue
            session = sts_backends[account][partition].get_assumed_role_from_access_key(access_key)
            if session is None and backend.get_user_from_access_key_id(access_key) is None:
                continue
            if session is None or session.expiration > utcnow():
                return str(key.secret_access_key)
    return None


class CallerResponse(TokenResponse):
    def get_caller_identity(self) -> ActionResult:
        """Whoever has no access key of moto's is in a session of the SageMaker role."""
        if account_of(self.access_key) is not None:
            return super().get_caller_identity()
        account, session = self.current_account, f"{ROLE}/{SESSION}"
        return ActionResult(
            {
                "UserId": f"{_ROLE_ID}:{SESSION}",
                "Account": account,
                "Arn": f"arn:{self.partition}:sts::{account}:assumed-role/{session}",
            }
        )

    def get_session_token(self) -> ActionResult:
        """With a key of its own; moto's is the one of AWS's documentation."""
        return ActionResult({"Credentials": self._session(SESSION)})

    def get_federation_token(self) -> ActionResult:
        """As GetSessionToken."""
        said = cast(dict[str, Any], super().get_federation_token().result)
        return ActionResult(said | {"Credentials": self._session(self._get_param("Name"))})

    def _session(self, name: str) -> AssumedRole:
        return self.backend.assume_role(
            region_name=self.region,
            role_session_name=name,
            role_arn=f"arn:{self.partition}:iam::{self.current_account}:role/{ROLE}",
            policy="",
            duration=self._get_int_param("DurationSeconds", _SESSION_SECONDS),
            external_id="",
        )


class RoleResponse(IamResponse):
    def get_role(self) -> ActionResult:
        """Any role that is asked for exists, and trusts SageMaker."""
        name = self._get_param("RoleName")
        with _making:
            if _ROLE_NAME.fullmatch(name or "") and not any(
                role.name == name for role in self.backend.get_roles()
            ):
                self.backend.create_role(
                    role_name=name,
                    assume_role_policy_document=_TRUST,
                    path="/service-role/" if name.startswith("AmazonSageMaker-") else "/",
                    permissions_boundary=None,
                    description="",
                    tags=[],
                    max_session_duration="3600",
                )
        return super().get_role()

    def simulate_principal_policy(self) -> ActionResult:
        """Everything is allowed, action by action and resource by resource."""
        actions = self._get_param("ActionNames") or []
        resources = self._get_param("ResourceArns") or ["*"]
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in actions
            for resource in resources
        ]
        start = _marked(self._get_param("Marker"))
        end = start + int(self._get_param("MaxItems") or 100)
        more = end < len(results)
        page = {"EvaluationResults": results[start:end], "IsTruncated": more}
        return ActionResult(page | ({"Marker": str(end)} if more else {}))


def _marked(marker: str | None) -> int:
    if marker is None:
        return 0
    if not marker.isdecimal() or len(marker) > 9:
        raise ValidationException("The Marker is not valid for this request.")
    return int(marker)
