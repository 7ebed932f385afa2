"""The rules of scripts: what each refuses or warns of, what it says, and what to do about it.

``docs/script-rules.md`` is held against this catalogue by a test.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
"""An error refuses the script; the others are shown beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        id: ``JS`` and three digits.
        severity: What a breach means.
        title: What the rule is about, in a few words.
        message: What is wrong; ``{name}`` and its like are filled in for each breach.
        fix: What to do, one sentence.
    """

    id: str
    severity: Severity
    title: str
    message: str
    fix: str


_ALL = (
    Rule(
        id="JS001",
        severity="error",
        title="syntax",
        message="{detail}",
        fix="Mend the syntax here; scripts are read as strict-mode JavaScript that is no module.",
    ),
    Rule(
        id="JS002",
        severity="error",
        title="size of the source",
        message="the script has {size} bytes, at most {limit} are allowed",
        fix="Move tables of constants into the input, and leave out what the script does not call.",
    ),
    Rule(
        id="JS003",
        severity="error",
        title="nesting and size of the syntax",
        message="the script is nested too deeply, or is too large, to be analysed",
        fix="Split long expressions into several statements and deep nesting into functions.",
    ),
    Rule(
        id="JS004",
        severity="error",
        title="text that is no Unicode",
        message="the script holds half of a surrogate pair, which is no character",
        fix="Write the character itself, or its escape, for example \\u{{1F600}}.",
    ),
    Rule(
        id="JS010",
        severity="error",
        title="process is missing",
        message="the script defines no function process at its top level",
        fix="Define function process(data) {{ ... }} that returns the result, outside of any other function or block.",
    ),
    Rule(
        id="JS011",
        severity="error",
        title="combine is missing",
        message="the script defines no function combine at its top level, and its declared shape calls one",
        fix="Define function combine(partials) {{ ... }} that joins the results of the parts, or declare no combining.",
    ),
    Rule(
        id="JS012",
        severity="error",
        title="process or combine is no plain function",
        message="{name} is {what}",
        fix="Make {name} a plain function that takes its data and returns its result.",
    ),
    Rule(
        id="JS013",
        severity="warning",
        title="process or combine returns nothing",
        message="{name} never returns a value, and undefined is no result",
        fix="Return the result at the end of {name}.",
    ),
    Rule(
        id="JS101",
        severity="error",
        title="eval",
        message="'{name}' makes code from text, which is not available",
        fix="Write the code itself; read data with JSON.parse.",
    ),
    Rule(
        id="JS102",
        severity="error",
        title="functions made from text",
        message="'{name}' makes functions from text, which is not available",
        fix="Write the function itself; ask typeof x === 'function' for what is one.",
    ),
    Rule(
        id="JS103",
        severity="error",
        title="modules",
        message="'{name}' is not available: a script is one file without modules",
        fix="Copy the functions that are needed into the script, and leave out import, export and require.",
    ),
    Rule(
        id="JS104",
        severity="error",
        title="timers",
        message="'{name}' is not available: nothing runs after process has returned",
        fix="Call the function directly.",
    ),
    Rule(
        id="JS105",
        severity="error",
        title="asynchronous code",
        message="'{name}' is asynchronous, and nothing waits for it: process is synchronous",
        fix="Use plain functions, loops and return values; there is nothing in a script to wait for.",
    ),
    Rule(
        id="JS106",
        severity="error",
        title="the global object",
        message="'{name}' is the global object, which belongs to the sandbox",
        fix="Use variables at the top level of the script, and the parameters of process.",
    ),
    Rule(
        id="JS107",
        severity="error",
        title="network and workers",
        message="'{name}' is not available: a script has no network and no processes of its own",
        fix="Send what the script needs within its input.",
    ),
    Rule(
        id="JS108",
        severity="error",
        title="shared memory, machine code, garbage collection",
        message="'{name}' is not available",
        fix="Use arrays, typed arrays, Map and Set.",
    ),
    Rule(
        id="JS110",
        severity="error",
        title="walks to constructors",
        message="access to '{name}' leads to the constructor of functions, which makes code from text",
        fix="Name the class itself; compare with === or read .constructor.name; give a field of that name another one.",
    ),
    Rule(
        id="JS111",
        severity="error",
        title="changes of what is built in",
        message="changing '{name}' would change what is built in",
        fix="Write a function of the script's own; make objects without a prototype with Object.create(null) or a Map.",
    ),
    Rule(
        id="JS112",
        severity="error",
        title="stack traces",
        message="'{name}' is not available",
        fix="Leave it out: each error has its stack by itself.",
    ),
    Rule(
        id="JS113",
        severity="error",
        title="callers of functions",
        message="'{name}' of functions is not available in strict mode",
        fix="Give the function a name and call that.",
    ),
    Rule(
        id="JS114",
        severity="error",
        title="with",
        message="'with' is not available in strict mode",
        fix="Name the object at each use, or take its fields with const {{a, b}} = object.",
    ),
    Rule(
        id="JS120",
        severity="error",
        title="unknown names",
        message="'{name}' is not defined{hint}",
        fix="Declare it with const or let, or write the name as it is declared.",
    ),
    Rule(
        id="JS130",
        severity="error",
        title="loops without an end",
        message="the loop never ends: its condition is always true, and no break, return or throw leaves it",
        fix="Give the loop a condition that becomes false, or leave it with break.",
    ),
    Rule(
        id="JS131",
        severity="error",
        title="regular expressions of exponential time",
        message="the regular expression can take exponential time: it repeats what can be read in several ways",
        fix="Make each text readable in one way only: (a+)+ is a+, (\\w+\\s?)+ is \\w+(?:\\s\\w+)*.",
    ),
    Rule(
        id="JS132",
        severity="warning",
        title="regular expressions that the linear engine has to save",
        message="the regular expression backtracks exponentially until the slower linear engine takes over",
        fix="Make each text readable in one way only: (a+)+ is a+, (\\w+\\s?)+ is \\w+(?:\\s\\w+)*.",
    ),
    Rule(
        id="JS133",
        severity="warning",
        title="loop conditions that never change",
        message="nothing in the loop changes its condition ({names}): it runs never or for ever",
        fix="Change the variable inside of the loop, for example with i++.",
    ),
    Rule(
        id="JS140",
        severity="warning",
        title="debugger",
        message="debugger does nothing here",
        fix="Leave it out; what console.log writes is kept with the execution.",
    ),
    Rule(
        id="JS141",
        severity="warning",
        title="comments of HTML",
        message="<!-- and --> begin a comment to the end of the line",
        fix="Write // instead, or put a space between the characters where an operator is meant.",
    ),
    Rule(
        id="JS150",
        severity="info",
        title="clock and chance",
        message="{name} is fixed in the deterministic mode",
        fix="Send dates and random numbers within the input where the result must not depend on them.",
    ),
)
RULES = {rule.id: rule for rule in _ALL}
"""Every rule by its id, in the order of the catalogue."""
