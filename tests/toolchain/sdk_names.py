"""What the installed pulumi_openstack expects of its provider, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHAPES = {"str": "string", "int": "int", "bool": "bool", "float": "float", "Any": "any"}


@dataclass
class Names:
    """Property names, each with its shape: a word, {"list": shape}, {"map": shape} or {"object": {name: shape}}."""

    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Sdk:
    resources: dict[str, Names]
    functions: dict[str, Names]
    config: dict[str, Any]


def read(package: Path) -> Sdk:
    """Read the SDK's package directory."""
    sdk = Sdk({}, {}, {})
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        types = _Types(path.parent)
        for token in _called(tree, "super"):
            name = token.rpartition(":")[2]
            if token == "openstack":
                sdk.config = types.properties(classes["ProviderArgs"])
            else:
                sdk.resources[token] = Names(types.properties(classes[f"{name}Args"]), types.properties(classes[name]))
        for token in _called(tree, "invoke"):
            sdk.functions[token] = _function(tree, types)
    return sdk


def _called(tree: ast.Module, what: str) -> set[str]:
    """Return the tokens in calls of ``super(...).__init__`` or ``pulumi.runtime.invoke``."""
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and {"super": "__init__", "invoke": "invoke"}[what] == getattr(node.func, "attr", None)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and str(node.args[0].value).startswith("openstack")
    }


def _function(tree: ast.Module, types: _Types) -> Names:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.endswith("_output")]
    function = next(node for node in functions if "invoke" in ast.unparse(node))
    annotations = {argument.arg: argument.annotation for argument in function.args.args}
    names = Names()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            target = node.targets[0]
            if ast.unparse(target.value) == "__args__" and isinstance(node.value, ast.Name):
                names.inputs[ast.literal_eval(target.slice)] = types.shape(annotations[node.value.id])
    result = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("Awaitable")
    )
    names.outputs = types.properties(result)
    return names


class _Types:
    """Resolves the annotations of a module's directory."""

    def __init__(self, directory: Path) -> None:
        self._classes: dict[str, ast.ClassDef] = {}
        for name in ("_inputs.py", "outputs.py"):
            path = directory / name
            if path.exists():
                for node in ast.parse(path.read_text(encoding="utf-8")).body:
                    if isinstance(node, ast.ClassDef):
                        self._classes[f"{name}:{node.name}"] = node

    def properties(self, node: ast.ClassDef) -> dict[str, Any]:
        return {name: self.shape(annotation) for name, annotation in _getters(node)}

    def shape(self, annotation: ast.expr | None) -> Any:
        if isinstance(annotation, ast.Constant):  # a name quoted because it comes later
            return self._object(str(annotation.value))
        if isinstance(annotation, ast.Subscript):
            outer = ast.unparse(annotation.value).rpartition(".")[2]
            inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
            if outer in {"Input", "Output", "Optional"}:
                return self.shape(inner[0])
            if outer == "Union":  # an object, or the same as a dictionary
                return self.shape(inner[0])
            return {{"Sequence": "list", "Mapping": "map"}[outer]: self.shape(inner[-1])}
        assert annotation is not None
        name = ast.unparse(annotation)
        return SHAPES.get(name.rpartition(".")[2]) or self._object(name)

    def _object(self, name: str) -> Any:
        file = "outputs.py" if name.startswith("outputs.") else "_inputs.py"
        name = name.rpartition(".")[2]
        return {"object": self.properties(self._classes[f"{file}:{name}"])}


def _getters(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    for method in node.body:
        if not isinstance(method, ast.FunctionDef):
            continue
        for decorator in method.decorator_list:
            if ast.unparse(decorator) == "pulumi.getter":
                yield method.name, method.returns
            elif isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pulumi.getter":
                yield ast.literal_eval(decorator.keywords[0].value), method.returns
