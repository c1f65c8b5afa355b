// A real OpenID provider for the tests: oidc-provider, which is certified by the OpenID Foundation, with keys made at start.
//
// It prints its issuer when it listens. A line on its input changes its keys, and it prints its issuer again: `replace` all, or
// `announce` new ones, `switch` to sign with them, `withdraw` the old. It ends with its input, so it cannot outlive the tests.
//
// What a client asks for says what it gets (RFC 8707): of the resource https://orders.example.com/ES256 the origin is the
// audience, and the path is the algorithm that signs the token, or `opaque`. The client `web` asks for tokens; `gateway` may
// introspect those of others.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import { Provider } from 'oidc-provider';

// The library's advice for production. What we write is read by the tests.
console.info = console.warn = () => {};

// Without `alg`, as many providers publish theirs: one RSA key signs with six algorithms. The last two are published as
// well and are not for access tokens that a filter can check.
function makeKeys() {
  const key = (use, type, options) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use });
  return [
    key('sig', 'rsa', { modulusLength: 2048 }),
    key('sig', 'ec', { namedCurve: 'P-256' }),
    key('sig', 'ec', { namedCurve: 'P-384' }),
    key('sig', 'ed25519'),
    key('sig', 'ec', { namedCurve: 'P-521' }),
    key('enc', 'ec', { namedCurve: 'P-256' }),
  ];
}

function resourceServer(_context, resource) {
  const { origin, pathname } = new URL(resource);
  const format = pathname.slice(1);
  return {
    audience: origin,
    scope: 'orders.read orders.write',
    ...(format === 'opaque' ? { accessTokenFormat: 'opaque' } : { accessTokenFormat: 'jwt', jwt: { sign: { alg: format } } }),
  };
}

const client = (id, grants) =>
  ({ client_id: id, client_secret: `secret-of-${id}`, grant_types: grants, redirect_uris: [], response_types: [] });

const makeProvider = (issuer, keys) => new Provider(issuer, {
  jwks: { keys },
  clients: [client('web', ['client_credentials']), client('gateway', [])],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    encryption: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_context, asking) => asking.clientId === 'gateway' },
    resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
  },
}).callback();

const server = createServer((request, response) => answer(request, response));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
// Of several sets the first signs.
let sets = [makeKeys()];
const commands = {
  replace: () => [makeKeys()],
  announce: () => [...sets, makeKeys()],
  switch: () => sets.toReversed(),
  withdraw: () => sets.slice(0, 1),
};
let answer = makeProvider(issuer, sets.flat());
console.log(issuer);

for await (const command of createInterface({ input: process.stdin })) {
  sets = commands[command]();
  answer = makeProvider(issuer, sets.flat());
  console.log(issuer);
}
process.exit();
