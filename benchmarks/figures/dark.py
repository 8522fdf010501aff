"""The colours of the figures on a dark page."""

from __future__ import annotations

#: An SVG element that replaces the light colours if the reader prefers a dark page.
DARK = (
    "<style>@media (prefers-color-scheme:dark){text{fill:#dfe3ec}"
    '[fill="#fff"]{fill:#23262f}[fill="#f4f5f5"]{fill:#17191f}[fill="#555"],[fill="#666"]{fill:#b4bccb}'
    '[stroke="#ddd"]{stroke:#4a5060}[stroke="#eee"]{stroke:#373c48}'
    '[stroke="#0072b2"]{stroke:#4aa3df}[fill="#0072b2"]{fill:#4aa3df}}</style>'
)
