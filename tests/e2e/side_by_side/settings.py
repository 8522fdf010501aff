"""The settings files for both programs: the section `server` without addresses."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from tests.integration.rig.minting import CLUSTER

_ROLES_AND_USERS = """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin
  groups: [system:masters]
- roleARN: arn:aws:iam::111122223333:role/Node
  username: node-{{SessionName}}
  groups: [system:bootstrappers, system:nodes]
- roleARN: arn:aws:iam::444455556666:role/Auditor
  username: auditor
  groups: [viewers, auditors]
mapUsers:
- userARN: arn:aws:iam::111122223333:user/team/alice
  username: alice
  groups: [devs, on-call]
- userARN: arn:aws:iam::111122223333:user/bob
  username: bob
  groups: []
"""

SETTINGS: Mapping[str, str] = {
    "nothing mapped": "mapRoles: []\n",
    "roles and users": _ROLES_AND_USERS,
    "placeholders": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin:{{AccountID}}:{{SessionName}}
  groups: ["account-{{AccountID}}", "session-{{SessionName}}", "raw-{{SessionNameRaw}}", "key-{{AccessKeyID}}"]
- roleARN: arn:aws:iam::111122223333:role/lower
  username: "{{SessionNameRaw}}{{SessionName}}{{AccountID}}"
  groups: ["{{AccountID}}{{AccountID}}"]
- roleARN: arn:aws:iam::444455556666:role/Admin
  username: "{{AccessKeyID}}"
  groups: []
mapUsers:
- userARN: arn:aws:iam::111122223333:user/bob
  username: "{{AccountID}}-bob-{{AccessKeyID}}"
  groups: ["{{AccountID}}:users"]
- userARN: arn:aws:iam::111122223333:root
  username: root-of-{{AccountID}}
  groups: [roots]
""",
    "session's name of callers without a session": """\
mapUsers:
- userARN: arn:aws:iam::111122223333:user/bob
  username: user:{{SessionName}}
  groups: [devs]
- userARN: arn:aws:iam::444455556666:user/bob
  username: partner
  groups: ["session-{{SessionNameRaw}}"]
- userARN: arn:aws:iam::111122223333:root
  username: root-{{SessionName}}
  groups: [devs]
""",
    "ARNs in another case": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/ADMIN
  username: admin
  groups: [system:masters]
- roleARN: arn:aws:iam::111122223333:role/Lower
  username: lower
  groups: [lower]
- roleARN: arn:aws:iam::111122223333:role/upper
  username: upper
  groups: [upper]
mapUsers:
- userARN: arn:aws:iam::111122223333:user/Team/Alice
  username: alice
  groups: [devs]
- userARN: arn:aws:iam::111122223333:user/carol
  username: carol
  groups: [devs]
- userARN: arn:aws:iam::111122223333:user/team/sub.team/erin
  username: erin
  groups: [devs]
""",
    "keys in another case": """\
maproles:
- rolearn: arn:aws:iam::111122223333:role/Admin
  UserName: admin
  GROUPS: [system:masters]
MapUsers:
- userarn: arn:aws:iam::111122223333:user/bob
  username: bob
  groups: [devs]
MAPACCOUNTS: ["444455556666"]
""",
    "lists as one word or with commas": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin
  groups: system:masters
- roleARN: arn:aws:iam::111122223333:role/lower
  username: lower
  groups: one,two
mapAccounts: "444455556666,777788889999"
""",
    "lists with blanks around commas": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin
  groups: one, two
""",
    "numbers and booleans as names": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: 1234
  groups: [5, dev]
mapUsers:
- userARN: arn:aws:iam::111122223333:user/bob
  username: yes
  groups: [1.5]
- userARN: arn:aws:iam::444455556666:user/bob
  username: bob
  groups: [1e3, 0x1F, 1_000]
""",
    "merge keys": """\
mapRoles:
- &admin
  roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin
  groups: [admins]
- !!merge <<: *admin
  roleARN: arn:aws:iam::111122223333:role/UPPER
- roleARN: arn:aws:iam::111122223333:role/lower
  username: lower
  <<: *admin
""",
    "a rule without a user name": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  groups: [viewers]
- roleARN: arn:aws:iam::111122223333:role/lower
  username: ""
  groups: [viewers]
""",
    "missing and empty lists": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/UPPER
  username: upper
  groups: null
- roleARN: arn:aws:iam::111122223333:role/lower
  username: lower
  groups: []
mapUsers:
- userARN: arn:aws:iam::111122223333:user/bob
  username: bob
mapAccounts:
""",
    "accounts": 'mapAccounts: ["111122223333", "444455556666"]\n',
    "accounts without quotes": "mapAccounts: [111122223333, 012345670123]\n",
    "accounts in floating point": "mapAccounts: [1.11122223333e+11, 444455556666.0]\n",
    "accounts between blanks": "mapAccounts: '444455556666 777788889999'\n",
    "accounts beside rules": _ROLES_AND_USERS + 'mapAccounts: ["111122223333"]\n',
    "scrubbed accounts": """\
scrubbedAccounts: ["777788889999"]
mapRoles:
- roleARN: arn:aws:iam::777788889999:role/Admin
  username: admin-{{SessionName}}-{{AccountID}}
  groups: [system:masters]
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin
  groups: [system:masters]
mapUsers:
- userARN: arn:aws:iam::777788889999:user/secret
  username: secret
  groups: [devs]
""",
    "scrubbed and mapped account": """\
scrubbedAccounts: ["777788889999", "012345670123"]
mapAccounts: ["777788889999", "012345670123", "444455556666"]
""",
    "reserved prefixes": """\
reservedPrefixConfig:
- backendMode: MountedFile
  usernamePrefixReserveList: ["system:", "root-", "arn:aws:iam::4"]
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: system:admin
  groups: [system:masters]
- roleARN: arn:aws:iam::111122223333:role/lower
  username: lower
  groups: [system:masters]
mapUsers:
- userARN: arn:aws:iam::111122223333:user/bob
  username: root-bob
  groups: []
- userARN: arn:aws:iam::111122223333:user/CAROL
  username: carol
  groups: []
mapAccounts: ["444455556666"]
""",
    "reserved prefixes of another source": """\
reservedPrefixConfig:
- backendMode: DynamicFile
  usernamePrefixReserveList: ["system:"]
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: system:admin
  groups: [system:masters]
""",
    "roles by their ARNs with paths": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/team/Developer
  username: developer
  groups: [devs]
- roleARN: arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Operators_0123456789abcdef
  username: operator:{{SessionName}}
  groups: [operators]
""",
    "roles with paths by their names": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Developer
  username: developer
  groups: [devs]
- roleARN: arn:aws:iam::111122223333:role/AWSReservedSSO_Operators_0123456789abcdef
  username: operator:{{SessionName}}
  groups: [operators]
""",
    "users without their paths": """\
mapUsers:
- userARN: arn:aws:iam::111122223333:user/alice
  username: alice
  groups: [devs]
- userARN: arn:aws:iam::111122223333:user/Erin
  username: erin
  groups: [devs]
""",
    "ARNs of sessions": """\
mapRoles:
- roleARN: arn:aws:sts::111122223333:assumed-role/Admin/alice
  username: admin:{{SessionName}}
  groups: [system:masters]
- roleARN: arn:aws:sts::444455556666:assumed-role/Auditor/*
  username: auditor
  groups: [viewers]
""",
    "roots and federated users": """\
mapUsers:
- userARN: arn:aws:iam::111122223333:root
  username: root
  groups: [roots]
- userARN: arn:aws:sts::111122223333:federated-user/frank
  username: frank
  groups: [federated]
- userARN: arn:aws:sts::444455556666:federated-user/Frank
  username: partner-frank
  groups: [federated]
""",
    "roles and users in each other's list": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:user/bob
  username: bob
  groups: [devs]
- roleARN: arn:aws:iam::111122223333:root
  username: root
  groups: [roots]
mapUsers:
- userARN: arn:aws:iam::111122223333:role/Admin
  username: admin:{{SessionName}}
  groups: [system:masters]
""",
    "the same ARN twice": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: first
  groups: [first]
- roleARN: arn:aws:iam::111122223333:ROLE/admin
  username: second
  groups: [second]
mapUsers:
- userARN: arn:aws:iam::111122223333:user/bob
  username: first
  groups: [first]
- userARN: ARN:AWS:IAM::111122223333:USER/Bob
  username: second
  groups: [second]
""",
    "the same ARN in both lists": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: from-roles
  groups: [roles]
- roleARN: arn:aws:iam::111122223333:user/bob
  username: from-roles
  groups: [roles]
mapUsers:
- userARN: arn:aws:iam::111122223333:role/Admin
  username: from-users
  groups: [users]
- userARN: arn:aws:iam::111122223333:user/bob
  username: from-users
  groups: [users]
""",
    "wildcards": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/*
  username: anyone
  groups: [all]
- roleARN: arn:aws:iam::444455556666:role/Audit?r
  username: auditor
  groups: [viewers]
""",
    "system names that callers choose": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin
  groups: ["system:{{SessionName}}"]
- roleARN: arn:aws:iam::444455556666:role/Auditor
  username: system:node:{{SessionName}}
  groups: [system:nodes]
""",
    "old name of the source": "backendMode: [File]\n" + _ROLES_AND_USERS,
    "names with special characters": """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: "oidc:https://example.com/#admin <&> é 日本"
  groups: ["group with spaces", "ünïcode", "a:b:c", "quote\\"d"]
mapUsers:
- userARN: arn:aws:iam::111122223333:user/dave+x=1,y.z@example_com-2
  username: dave@example.com
  groups: [devs, devs]
""",
}

#: Files that aws-iam-authenticator accepts and authd refuses, with a part of the message.
REFUSED: Mapping[str, tuple[str, str]] = {
    "blank at the end of an ARN": (
        """\
mapRoles:
- roleARN: "arn:aws:iam::111122223333:role/Admin "
  username: admin
  groups: [masters]
""",
        "server.mapRoles.roleARN has a space at its end: remove it",
    ),
    "unknown setting": (
        """\
mapRole:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: admin
  groups: [masters]
""",
        "unknown setting server.mapRole: did you mean mapRoles?",
    ),
    "unknown placeholder": (
        """\
mapRoles:
- roleARN: arn:aws:iam::111122223333:role/Admin
  username: "{{SessionNam}}"
  groups: [masters]
""",
        "unknown placeholder {{SessionNam}}: did you mean {{SessionName}}?",
    ),
}


def settings_file(server: str, port: int, *, sts: str = "") -> str:
    """Return a complete settings file. `sts` is authd's section, which the other program does not know."""
    lines = f"address: 127.0.0.1\nhostname: 127.0.0.1\nport: {port}\n{sts}{server}"
    return f"clusterID: {CLUSTER}\nserver:\n{textwrap.indent(lines, '  ')}"
