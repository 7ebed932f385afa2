"""What kind of device a login began on: enough for its owner to know it again, too little to follow anybody."""

LONGEST_HEADER = 1000
_PROGRAMS = (
    ("quilate", "Quilate command line"),
    ("edg/", "Edge"),
    ("opr/", "Opera"),
    ("firefox/", "Firefox"),
    ("chrome/", "Chrome"),
    ("safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
_SYSTEMS = (
    ("android", "Android"),
    ("iphone", "iPhone"),
    ("ipad", "iPad"),
    ("windows", "Windows"),
    ("mac os", "macOS"),
    ("cros", "ChromeOS"),
    ("linux", "Linux"),
)


def device_of(user_agent: str) -> str:
    """Return program and system, for example ``Firefox on Linux``; empty where neither is known.

    The header itself, with its versions, is not kept: it would tell a person from others.
    """
    text = user_agent[:LONGEST_HEADER].lower()
    program = next((name for sign, name in _PROGRAMS if sign in text), "")
    system = next((name for sign, name in _SYSTEMS if sign in text), "")
    return f"{program} on {system}" if program and system else program or system
