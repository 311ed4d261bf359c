"""Every operation that we send is one that VISA's schema has, and none asks for the secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate
from graphql.language import FieldNode, Visitor, visit

from migration.adapters import visa_documents

SCHEMA = build_schema((Path(__file__).parents[2] / "lab" / "visa" / "schema.graphql").read_text(encoding="utf-8"))
DOCUMENTS = {name: text for name, text in vars(visa_documents).items() if name.isupper() and isinstance(text, str)}


class Fields(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.names.add(node.name.value)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_operation_is_valid(name: str) -> None:
    assert validate(SCHEMA, parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_operation_asks_for_the_secret_or_the_hypervisors(name: str) -> None:
    fields = Fields()
    visit(parse(DOCUMENTS[name]), fields)
    assert not fields.names & {"openStackProviderConfiguration", "applicationSecret", "hypervisors"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_holds_one_operation(name: str) -> None:
    operations = [one for one in parse(DOCUMENTS[name]).definitions if isinstance(one, OperationDefinitionNode)]
    assert len(operations) == 1


def test_what_is_written_of_an_image_is_all_that_an_update_replaces() -> None:
    """An update replaces whole objects: what is not read cannot be written back."""
    wanted = {"protocolIds": "protocols", "defaultVdiProtocolId": "defaultVdiProtocol"}
    wanted["secondaryVdiProtocolId"] = "secondaryVdiProtocol"
    fields = Fields()
    visit(parse(visa_documents.OBJECTS), fields)
    for name in SCHEMA.type_map["ImageInput"].fields:  # type: ignore[attr-defined]
        assert wanted.get(name, name) in fields.names
