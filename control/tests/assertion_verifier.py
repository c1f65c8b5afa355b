"""Verifies assertions as a service behind the proxy would, with joserfc from PyPI.

Reads {"keys": <key set>, "audience": <ours>, "tokens": [..]} from standard input; writes, for each token, its claims or null.
"""

import json
import sys

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

given = json.load(sys.stdin)
keys = KeySet.import_key_set(given["keys"])
wanted = jwt.JWTClaimsRegistry(
    aud={"essential": True, "value": given["audience"]}, exp={"essential": True}, sub={"essential": True}
)


def claims(text):
    try:
        token = jwt.decode(text, keys, algorithms=["EdDSA", "ES256"])
        wanted.validate(token.claims)
        return token.claims if token.header.get("typ") == "txntoken+jwt" else None
    except (JoseError, ValueError):
        return None


json.dump([claims(token) for token in given["tokens"]], sys.stdout)
