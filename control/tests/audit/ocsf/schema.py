"""Makes api_activity-1.8.0.schema.json: OCSF's class API Activity as JSON Schema, less what no event of ours has.

    pip install ocsf-json-schema==1.2.0
    python schema.py ../golden/ocsf.txt > api_activity-1.8.0.schema.json
"""
import json
import sys

from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0")).get_class_schema(
    class_name="api_activity", profiles=["security_control", "datetime", "trace"]
)
events = [json.loads(line) for line in open(sys.argv[1])]
used = {}


def walk(name, definition, value):
    for key, inner in value.items() if isinstance(value, dict) else ():
        property = definition.get("properties", {}).get(key)
        if property is None:
            continue
        used.setdefault(name, set()).add(key)
        reference = property.get("$ref") or property.get("items", {}).get("$ref")
        if reference:
            target = reference.rsplit("/", 1)[-1]
            for item in inner if isinstance(inner, list) else [inner]:
                walk(target, schema["$defs"][target], item)


for event in events:
    walk("", schema, event)


def prune(name, definition):
    keep = used.get(name, set()) | set(definition.get("required", []))
    definition["properties"] = {key: value for key, value in definition["properties"].items() if key in keep}


prune("", schema)
for name in list(schema["$defs"]):
    # An object that takes anything, such as `unmapped`, stays as it is.
    if name in used or schema["$defs"][name].get("additionalProperties") is not False:
        if name in used:
            prune(name, schema["$defs"][name])
    else:
        schema["$defs"][name]["properties"] = {}
reachable, todo = set(), [schema["properties"]]
while todo:
    for reference in set(part.split('"')[0] for part in json.dumps(todo.pop()).split("#/$defs/")[1:]) - reachable:
        reachable.add(reference)
        todo.append(schema["$defs"][reference]["properties"])
schema["$defs"] = {name: schema["$defs"][name] for name in sorted(reachable)}
json.dump(schema, sys.stdout, indent=1)
print()
