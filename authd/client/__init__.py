"""authd-token: kubectl's exec credential plugin for clusters whose users are AWS IAM identities."""
