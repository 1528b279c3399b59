"""Reads a Compose file with compose-spec, as strictly as it can; says nothing when it is right."""

import sys

from compose_spec import PyOptions

compose = PyOptions(apply_merge=True).from_yaml(open(sys.argv[1], encoding="utf-8").read())
compose.validate()
compose.to_spec()
