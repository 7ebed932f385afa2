"""The keys of the Open Data Contract Standard, versions 3.0 to 3.2.

Source: the JSON Schemas of https://github.com/bitol-io/open-data-contract-standard (schema/odcs-json-schema-v3.*.json).
"""

from quilate.checks.data.contracts.model import Operator

CONTRACT_KEYS = (
    *("apiVersion", "kind", "id", "name", "version", "status", "tenant", "domain", "dataProduct", "description"),
    *("schema", "servers", "support", "price", "team", "roles", "tags", "slaDefaultElement", "slaProperties"),
    *("authoritativeDefinitions", "customProperties", "contractCreatedTs"),
)

_ELEMENT_KEYS = (
    *("id", "name", "physicalName", "physicalType", "logicalType", "description", "businessName", "quality", "tags"),
    *("authoritativeDefinitions", "customProperties", "relationships", "properties", "deprecated", "synonyms"),
)

OBJECT_KEYS = (*_ELEMENT_KEYS, "dataGranularityDescription")

PROPERTY_KEYS = (
    *_ELEMENT_KEYS,
    *("required", "unique", "primaryKey", "primaryKeyPosition", "logicalTypeOptions", "enum", "items", "map"),
    *("partitioned", "partitionKeyPosition", "classification", "criticalDataElement", "encryptedName", "examples"),
    *("transformSourceObjects", "transformLogic", "transformDescription", "semanticType"),
)

QUALITY_KEYS = (
    *("id", "name", "description", "type", "metric", "rule", "arguments", "unit", "query", "engine"),
    *("implementation", "dimension", "method", "severity", "businessImpact", "customProperties", "tags"),
    *("authoritativeDefinitions", "scheduler", "schedule"),
    *(operator.value for operator in Operator),
)

_RANGE = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")

TYPE_OPTIONS = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": (*_RANGE, "format", "multipleOf"),
    "number": (*_RANGE, "format", "multipleOf"),
    "boolean": (),
    "date": (*_RANGE, "format"),
    "timestamp": (*_RANGE, "format", "timezone", "defaultTimezone"),
    "time": (*_RANGE, "format", "timezone", "defaultTimezone"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties", "required"),
    "map": (),
}
"""Keys of ``logicalTypeOptions`` by logical type."""

DESCRIPTIVE_FORMATS = ("password", "byte", "binary", "f32", "f64")
"""Formats that say how a value is stored and do not restrict its text."""

INTEGER_BITS = {f"{sign}{bits}": (sign == "i", bits) for sign in "iu" for bits in (8, 16, 32, 64, 128)}
"""Formats of integers: signed or not, and bits."""

METRIC_ARGUMENTS = {
    "nullValues": (),
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
    "rowCount": (),
}

SENSITIVE_CLASSIFICATIONS = frozenset({"confidential", "restricted", "sensitive", "secret", "pii"})
SENSITIVE_TAGS = frozenset({"pii", "personal", "personal data", "personal_data", "sensitive", "lgpd", "gdpr"})
