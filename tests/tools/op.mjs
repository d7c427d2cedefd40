// Real OpenID Providers on loopback, several in one process: argv[2] names a JSON file {name: options}.
// Prints one line of JSON, {name: issuer}, and ends when its standard input does.
// Who signs in is said to /interaction/:uid?account=…&acr=…&when=… (or &deny=1); a browser gets a form that asks.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const plans = JSON.parse(readFileSync(process.argv[2], 'utf8'));

function configuration(plan, provider) {
  return {
    jwks: { keys: plan.keys },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    clients: [],
    scopes: ['openid', 'profile'],
    claims: { openid: ['sub', ...(plan.claims ?? [])], acr: null, auth_time: null, amr: null },
    acrValues: plan.acrs ?? [],
    conformIdTokenClaims: plan.conformIdTokenClaims ?? false,
    pkce: { required: () => true },
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256', 'RS256'],
      requestObjectSigningAlgValues: ['ES256'],
      clientAuthSigningAlgValues: ['ES256'],
      dPoPSigningAlgValues: ['ES256'],
      userinfoSigningAlgValues: ['ES256'],
    },
    clientDefaults: { id_token_signed_response_alg: plan.algorithm ?? 'ES256' },
    ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Session: 900, Grant: 900 },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      revocation: { enabled: true, allowedPolicy: (ctx, client, token) => token.clientId === client.clientId },
      claimsParameter: { enabled: true },
      backchannelLogout: { enabled: plan.logout ?? false },
      jwtUserinfo: { enabled: true },
      pushedAuthorizationRequests: { enabled: plan.push ?? false, requirePushedAuthorizationRequests: plan.push ?? false },
      requestObjects: { enabled: plan.signed ?? false, requireSignedRequestObject: plan.signed ?? false },
      dPoP: { enabled: plan.dpop ?? false, nonceSecret: randomBytes(32), requireNonce: () => plan.nonces ?? false },
    },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, ...(plan.people?.[id] ?? {}) }),
    }),
    async loadExistingGrant(ctx) {
      // nobody is asked for consent: what the client wants is granted
      const { oidc } = ctx;
      const grant = new (provider().Grant)({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(oidc.params.scope);
      grant.addOIDCClaims([...oidc.requestParamClaims]);
      await grant.save();
      return grant;
    },
    // it guards itself against requests to loopback, where all of this is
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
    renderError(ctx, out) {
      ctx.type = 'json';
      ctx.body = out;
    },
  };
}

const form = (uid, asked) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Sign in</title>
<form action="/interaction/${uid}"><label>Who <input name="account"></label>
<label>How <input name="acr" value="${asked}"></label><button>Sign in</button></form>`;

async function interact(provider, ctx, uid) {
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const asked = (params.acr_values ?? '').split(' ')[0].replaceAll('"', '');
  const given = new URLSearchParams(ctx.querystring);
  let result;
  if (given.has('deny')) result = { error: 'access_denied', error_description: 'the person said no' };
  else if (given.has('account')) {
    const when = given.has('when') ? { ts: Number(given.get('when')) } : {};
    const acr = given.has('acr') ? given.get('acr') : asked;
    result = { login: { accountId: given.get('account'), remember: true, ...(acr ? { acr } : {}), ...when } };
  } else {
    ctx.type = 'html';
    ctx.body = form(uid, asked);
    return;
  }
  ctx.respond = false;
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
}

// what happens when somebody signs out elsewhere: the client hears of it
async function tell(provider, ctx, [, clientId, account, sid]) {
  const client = await provider.Client.find(clientId);
  try {
    await client.backchannelLogout(account, sid);
    ctx.body = { status: 200 };
  } catch (error) {
    ctx.body = { status: error.response?.status ?? 0, error: error.message };
  }
}

async function start(name, plan) {
  const server = createServer();
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const issuer = `http://${name}.localhost:${server.address().port}`;
  let provider;
  provider = new Provider(issuer, configuration(plan, () => provider));
  provider.use(async (ctx, next) => {
    const over = ctx.path.match(/^\/logout\/([\w-]+)\/([\w.-]+)\/([\w-]+)$/);
    if (over) return tell(provider, ctx, over);
    const uid = ctx.path.match(/^\/interaction\/([\w-]+)$/)?.[1];
    return uid && ctx.method === 'GET' ? interact(provider, ctx, uid) : next();
  });
  for (const event of ['server_error', 'authorization.error', 'grant.error', 'pushed_authorization_request.error',
    'userinfo.error', 'revocation.error', 'registration_create.error']) {
    provider.on(event, (ctx, error) => console.error(name, event, error.message, error.error_description ?? '', error.error_detail ?? ''));
  }
  server.on('request', provider.callback());
  return [name, issuer];
}

const issuers = await Promise.all(Object.entries(plans).map(([name, plan]) => start(name, plan)));
console.log(JSON.stringify(Object.fromEntries(issuers)));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
