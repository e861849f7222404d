"""Checks raw answers against botocore's output shapes.

botocore's own parser drops what it does not know; this one complains: unknown
members, wrong types, missing required members, values outside an enum.
"""

import json

import botocore.parsers
import botocore.session

_LOADER = botocore.session.get_session()


def _check(shape, value, path, problems):
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            problems.append(f"{path}: {type(value).__name__} instead of a structure")
            return
        known = {shape.members[name].serialization.get("name", name): shape.members[name] for name in shape.members}
        for name, inner in value.items():
            if name not in known:
                problems.append(f"{path}.{name}: no such member of {shape.name}")
            else:
                _check(known[name], inner, f"{path}.{name}", problems)
        for name in shape.required_members:
            if name not in value:
                problems.append(f"{path}.{name}: required in {shape.name}")
    elif kind == "list":
        if not isinstance(value, list):
            problems.append(f"{path}: {type(value).__name__} instead of a list")
            return
        for index, inner in enumerate(value):
            _check(shape.member, inner, f"{path}[{index}]", problems)
    elif kind == "map":
        if not isinstance(value, dict):
            problems.append(f"{path}: {type(value).__name__} instead of a map")
            return
        for name, inner in value.items():
            _check(shape.value, inner, f"{path}[{name}]", problems)
    elif kind == "string":
        if not isinstance(value, str):
            problems.append(f"{path}: {value!r} instead of a string")
        elif getattr(shape, "enum", None) and value not in shape.enum:
            problems.append(f"{path}: {value!r} is not one of {shape.enum}")
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            problems.append(f"{path}: {value!r} instead of an integer")
    elif kind in ("double", "float", "timestamp"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            problems.append(f"{path}: {value!r} instead of a number")
    elif kind == "boolean":
        if not isinstance(value, bool):
            problems.append(f"{path}: {value!r} instead of a boolean")
    elif kind != "blob":
        problems.append(f"{path}: unknown kind {kind}")


def _xml(shape, node, path, problems):
    """The same for the Query protocol; `node` is an ElementTree element."""
    kind = shape.type_name
    if kind == "structure":
        for inner in node:
            name = inner.tag.rsplit("}", 1)[-1]
            if name not in shape.members:
                problems.append(f"{path}.{name}: no such member of {shape.name}")
            else:
                _xml(shape.members[name], inner, f"{path}.{name}", problems)
        present = {inner.tag.rsplit("}", 1)[-1] for inner in node}
        problems.extend(f"{path}.{name}: required" for name in shape.required_members if name not in present)
    elif kind == "list":
        for index, inner in enumerate(node):
            if inner.tag.rsplit("}", 1)[-1] != "member":
                problems.append(f"{path}: {inner.tag} instead of member")
            _xml(shape.member, inner, f"{path}[{index}]", problems)
    elif kind == "string":
        if getattr(shape, "enum", None) and (node.text or "") not in shape.enum:
            problems.append(f"{path}: {node.text!r} is not one of {shape.enum}")
    elif kind in ("integer", "long"):
        int(node.text)


def _cbor(body):
    """The document of CBOR; instants as numbers."""
    parser = botocore.parsers.RpcV2CBORParser(timestamp_parser=float)
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))


def problems(service, operation, body):
    """What is wrong with the raw body of a successful answer."""
    model = _LOADER.get_service_model(service)
    shape = model.operation_model(operation).output_shape
    found = []
    # A map of CBOR; JSON and XML begin otherwise.
    if body and body[0] >> 5 == 5:
        document = _cbor(body)
        if shape is not None:
            _check(shape, document, operation, found)
    elif model.resolved_protocol == "json":
        document = json.loads(body) if body else {}
        if shape is not None:
            _check(shape, document, operation, found)
    else:
        import xml.etree.ElementTree as tree

        root = tree.fromstring(body)
        wrapper = shape.serialization.get("resultWrapper")
        result = [node for node in root if node.tag.rsplit("}", 1)[-1] == wrapper]
        if not result:
            found.append(f"{operation}: no {wrapper}")
        else:
            _xml(shape, result[0], operation, found)
    return found


def error_problems(service, operation, code):
    """Whether an error code is one the operation documents."""
    model = _LOADER.get_service_model(service).operation_model(operation)
    codes = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    codes |= {shape.name for shape in model.error_shapes}
    return [] if code in codes else [f"{operation}: {code} is not one of {sorted(codes)}"]
