"""Sample credentials and a role. `Result.message` checks that no error shows the secret key."""

from __future__ import annotations

KEY_ID = "AKIAEXAMPLEEXAMPLE00"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY"
ROLE = "arn:aws:iam::123456789012:role/KubernetesAdmin"
