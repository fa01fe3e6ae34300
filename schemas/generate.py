#!/usr/bin/env python3
"""Makes envelope_layout.h from the binary schema (.bfbs) that flatc writes of envelope.fbs.

usage: generate.py FLATC SCHEMA.fbs OUTPUT.h

The binary schema is itself a FlatBuffer (reflection.fbs of the FlatBuffers project); only the few
fields needed here are read. Field slots there: Schema objects=0 file_ident=2; Object name=0 fields=1
is_struct=2 bytesize=4; Field name=0 type=1 id=2 offset=3; Type base_type=0 element=1.
"""
import os
import struct
import subprocess
import sys
import tempfile

BASE_TYPES = {1: "UTYPE", 2: "BOOL", 3: "BYTE", 4: "UBYTE", 5: "SHORT", 6: "USHORT", 7: "INT",
              8: "UINT", 9: "LONG", 10: "ULONG", 11: "FLOAT", 12: "DOUBLE", 13: "STRING",
              14: "VECTOR", 15: "OBJ"}


class Table:
    """A table of a FlatBuffer: fields by slot number."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        self.vtable = at - struct.unpack_from("<i", data, at)[0]
        self.vtable_size = struct.unpack_from("<H", data, self.vtable)[0]

    def field(self, slot):
        entry = 4 + 2 * slot
        if entry >= self.vtable_size:
            return None
        offset = struct.unpack_from("<H", self.data, self.vtable + entry)[0]
        return self.at + offset if offset else None

    def number(self, slot, form, default=0):
        at = self.field(slot)
        return default if at is None else struct.unpack_from("<" + form, self.data, at)[0]

    def target(self, slot):
        at = self.field(slot)
        return None if at is None else at + struct.unpack_from("<I", self.data, at)[0]

    def text(self, slot):
        at = self.target(slot)
        size = struct.unpack_from("<I", self.data, at)[0]
        return self.data[at + 4:at + 4 + size].decode()

    def table(self, slot):
        return Table(self.data, self.target(slot))

    def tables(self, slot):
        at = self.target(slot)
        if at is None:
            return
        count = struct.unpack_from("<I", self.data, at)[0]
        for i in range(count):
            item = at + 4 + 4 * i
            yield Table(self.data, item + struct.unpack_from("<I", self.data, item)[0])


def read_binary_schema(flatc, schema):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([flatc, "--binary", "--schema", "-o", folder, schema], check=True)
        name = os.path.splitext(os.path.basename(schema))[0] + ".bfbs"
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
    return Table(data, struct.unpack_from("<I", data, 0)[0])


def describe_table(name, fields):
    lines = [f"/* table {name}: offset of each field's entry in the vtable */", "enum {"]
    for identifier, field_name, offset, base in fields:
        lines.append(f"    {name.upper()}_VT_{field_name.upper()} = {offset}, /* {base} */")
    lines.append(f"    {name.upper()}_VTABLE_BYTES = {4 + 2 * len(fields)},")
    lines += ["};", ""]
    return lines


def describe(schema):
    lines = ["/* Made from envelope.fbs by generate.py: do not edit. */", "#pragma once", "",
             f'#define ENVELOPE_FILE_IDENTIFIER "{schema.text(2)}"', ""]
    for item in schema.tables(0):
        name = item.text(0).split(".")[-1]
        if item.number(2, "B"):
            lines += [f"enum {{ {name.upper()}_STRUCT_BYTES = {item.number(4, 'i')} }};", ""]
            continue
        fields = sorted((field.number(2, "H"), field.text(0), field.number(3, "H"),
                         BASE_TYPES.get(field.table(1).number(0, "b"), "NONE").lower())
                        for field in item.tables(1))
        if [field[0] for field in fields] != list(range(len(fields))):
            sys.exit(f"ids of table {name} have a gap")
        lines += describe_table(name, fields)
    return "\n".join(lines)


def main():
    flatc, schema, output = sys.argv[1:]
    text = describe(read_binary_schema(flatc, schema))
    with open(output, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
