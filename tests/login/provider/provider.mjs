// A certified OpenID provider on this machine, with people whose groups change while it runs.
// node provider.mjs '{"port": ..., "secret": ..., "redirect_uris": [...], "accounts": {"ada": {"groups": [...]}}}'

import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider from 'oidc-provider';

const told = JSON.parse(process.argv[2]);
const issuer = `${told.certificate ? 'https' : 'http'}://${told.host}:${told.port}`;
const accounts = new Map(Object.entries(told.accounts));

function logoutSource(ctx, form) {
  ctx.body = `<!doctype html><title>Provider</title><link rel="icon" href="data:,">${form}<button form="op.logoutForm" name="logout" value="yes">Log out</button>`;
}

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'kea',
    client_secret: told.secret,
    redirect_uris: told.redirect_uris,
    post_logout_redirect_uris: told.post_logout_redirect_uris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }],
  findAccount: (ctx, id) => accounts.has(id)
    ? { accountId: id, claims: () => ({ sub: id, ...accounts.get(id) }) }
    : undefined,
  claims: { openid: ['sub', 'groups'], profile: ['preferred_username'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true, logoutSource } },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  cookies: { keys: ['for tests'] },
  ttl: { AccessToken: 600, AuthorizationCode: told.code_seconds ?? 60, IdToken: 600, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
});
provider.on('server_error', (ctx, error) => console.error(error));

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

async function interaction(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><title>Provider</title><link rel="icon" href="data:,"><form method="post"><input name="user" id="user"><button id="go">Go</button></form>`);
      return;
    }
    const accountId = new URLSearchParams(await body(request)).get('user');
    await provider.interactionFinished(request, response, { login: { accountId } }, { mergeWithLastSubmission: false });
    return;
  }
  const grant = (grantId && await provider.Grant.find(grantId))
    || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const callback = provider.callback();
async function answer(request, response) {
  try {
    if (request.url.startsWith('/interaction/')) return await interaction(request, response);
    if (request.url.startsWith('/accounts/')) {
      const id = decodeURIComponent(request.url.slice('/accounts/'.length));
      if (request.method === 'DELETE') accounts.delete(id);
      else accounts.set(id, JSON.parse(await body(request)));
      return response.end('ok');
    }
    return callback(request, response);
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
    return response.end(String(error));
  }
}

const server = told.certificate
  ? https.createServer({ cert: fs.readFileSync(told.certificate), key: fs.readFileSync(told.key) }, answer)
  : http.createServer(answer);
server.listen(told.port, told.host, () => console.log('ready'));
