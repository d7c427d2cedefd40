// The bank's own authorization server, as a real one: access tokens as JWTs (RFC 9068) for programs, bound by DPoP if asked.
// argv[2] is a JSON file {audience, scopes, keys, clients}. Prints its issuer, and ends when its standard input does.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://login.localhost:${server.address().port}`;
const provider = new Provider(issuer, {
  jwks: { keys: plan.keys },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  clients: plan.clients.map((client) => ({
    ...client,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: 'ES256',
    scope: plan.scopes,
  })),
  clientAuthMethods: ['private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256'] },
  scopes: plan.scopes.split(' '),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => plan.audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: plan.scopes,
        audience: plan.audience,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
for (const event of ['server_error', 'grant.error']) {
  provider.on(event, (ctx, error) => console.error(event, error.message, error.error_description ?? '', error.error_detail ?? ''));
}
server.on('request', provider.callback());
console.log(issuer);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
