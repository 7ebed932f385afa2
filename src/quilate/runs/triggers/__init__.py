"""Events from outside: kept, matched with rules, turned into runs in the order of their subjects."""
