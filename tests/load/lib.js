// What the scenarios share: the requests of a user of the definition API, what is checked of each answer, the thresholds.
//
// BASE_URL  where Outrigger is (http://127.0.0.1:9797); it should hold the definitions LOAD-1 to LOAD-12 alone, and is written to
// VUS       users at the scenario's height
// DURATION  of the whole scenario
// THINK     seconds that a user waits between two requests (1)
// API_KEY   for an Outrigger with authentication: of a key that may write
import http from 'k6/http';
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Rate } from 'k6/metrics';

const base = (__ENV.BASE_URL || 'http://127.0.0.1:9797').replace(/\/$/, '');
const think = Number(__ENV.THINK || 1);
const template = open('./definition.json');
const headers = { 'Content-Type': 'application/json' };
if (__ENV.API_KEY) headers['X-API-Key'] = __ENV.API_KEY;
// Identifiers of one run must not be those of the run before. Each VU has its own value, which is no harm.
const run = Date.now().toString(36);

// How many of the reads were answered from the cache.
export const cacheHits = new Rate('cache_hits');

/// The options of a scenario of `vus` users for `duration`: `shape` holds `[share of the duration, share of the users]`.
/// The environment's VUS and DURATION come over both.
export function scenario(vus, duration, shape, thresholds = {}) {
  const users = Number(__ENV.VUS || vus);
  const seconds = secondsOf(__ENV.DURATION || duration);
  return {
    stages: shape.map(([time, share]) => ({
      duration: `${Math.max(1, Math.round(time * seconds))}s`,
      target: Math.max(1, Math.round(share * users)),
    })),
    thresholds: {
      http_req_duration: ['p(95)<120'],
      http_req_failed: ['rate==0'],
      checks: ['rate==1'],
      ...thresholds,
    },
    summaryTrendStats: ['avg', 'p(50)', 'p(95)', 'p(99)', 'max'],
  };
}

function secondsOf(text) {
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  if (!text || !parts) throw new Error(`DURATION is "${text}"; write it such as 90s, 10m or 1h30m`);
  return Number(parts[1] || 0) * 3600 + Number(parts[2] || 0) * 60 + Number(parts[3] || 0);
}

function read(path, name, body) {
  const answer = http.get(base + path, { headers, tags: { name } });
  cacheHits.add(answer.headers['X-Cache'] === 'HIT');
  check(answer, {
    [`${name}: 200`]: (r) => r.status === 200,
    [`${name}: body`]: (r) => r.status === 200 && body(r),
    [`${name}: tells of the cache`]: (r) => /^(HIT|MISS)$/.test(r.headers['X-Cache']),
  });
}

// Parsing each list would make the load generator the slowest part: all is parsed in one of 50 iterations, and in the first.
const thorough = () => exec.vu.iterationInScenario % 50 === 0;

export function list() {
  read('/api/v1/metrics?limit=12', 'list', (r) =>
    thorough()
      ? r.json().success === true && r.json().data.length === 12 && r.json().data.every((m) => m.metric_id && m.definition.formula)
      : r.body.startsWith('{"success":true,"data":[{') && r.body.endsWith('}'),
  );
}

export function get() {
  const id = `LOAD-${1 + Math.floor(Math.random() * 12)}`;
  read(`/api/v1/metrics/${id}`, 'get', (r) =>
    thorough() ? r.json().data.metric_id === id && r.json().data.governance.owner_team === 'load' : r.body.includes(`"${id}"`),
  );
}

const words = ['parcels', 'depot', 'punctuality', 'customer window', 'logistics'];

export function search() {
  const q = encodeURIComponent(words[Math.floor(Math.random() * words.length)]);
  read(`/api/v1/search?q=${q}&limit=12`, 'search', (r) =>
    thorough() ? r.json().data.length > 0 : r.body.startsWith('{"success":true,"data":[{'),
  );
}

export function create() {
  const id = `LOAD-${run}-${exec.vu.idInTest}-${exec.vu.iterationInScenario}`;
  const answer = http.post(`${base}/api/v1/metrics`, template.replaceAll('@ID@', id), { headers, tags: { name: 'create' } });
  check(answer, {
    'create: 201': (r) => r.status === 201,
    'create: body': (r) => r.status === 201 && r.json().data.metric_id === id,
    'create: ETag': (r) => Boolean(r.headers.Etag),
  });
}

/// One request as people and programs send them, and a pause: of 100, 55 lists, 34 single ones, 10 searches, one new definition.
export function user() {
  const n = Math.random();
  if (n < 0.55) list();
  else if (n < 0.89) get();
  else if (n < 0.99) search();
  else create();
  sleep(think * (0.5 + Math.random()));
}

/// The same without writing, so that nothing invalidates the cache.
export function reader() {
  const n = Math.random();
  if (n < 0.6) list();
  else if (n < 0.9) get();
  else search();
  sleep(think * (0.5 + Math.random()));
}
