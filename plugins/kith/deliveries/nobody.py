"""What programs and people write where an identifier is not known, in lower case.

The door makes nothing of them where an identifier is hashed, the feeds elsewhere (dbt's
variable `nobody`), and onboarding takes them for no value among numbers of persons.
"""

NOBODY = (
    *("n/a", "na", "n.a.", "#n/a", "<na>", "nan", "nat", "none", "(none)", "nil"),
    *("null", "(null)", "<null>", "#null!", "#ref!", "#value!", "#name?", "\\n"),
    *("(blank)", "blank", "(empty)", "missing", "undefined", "[object object]"),
    *("true", "false", "-1"),
    *(
        "-",
        "--",
        "---",
        "–",
        "—",
        "?",
        "??",
        "???",
        ".",
        "..",
        "...",
        "#",
        "*",
        "/",
        "_",
    ),
    *("unknown", "(unknown)", "not available", "not applicable", "not provided"),
    *("not set", "(not set)", "anonymous", "nobody", "guest", "tbd", "tba"),
    *("unbekannt", "anonym", "gast", "kein", "keine", "keiner", "keine angabe", "k.a."),
    *(
        "inconnu",
        "anonyme",
        "aucun",
        "desconocido",
        "ninguno",
        "sconosciuto",
        "nessuno",
    ),
    *(
        "\u672a\u77e5",
        "\u65e0",
        "\u7a7a",
        "\u533f\u540d",
    ),  # Chinese: unknown … anonymous
)
