// The TypeScript client, tried: exercise.mjs SAMPLE URL [API key]

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./outrigger.js";

const [, , sample, url, key] = process.argv;
const id = "sdk-typescript";
const client = createClient<paths>({ baseUrl: url, headers: key ? { "X-API-Key": key } : {} });
const metric: components["schemas"]["MetricNew"] = {
  ...JSON.parse(readFileSync(sample, "utf8")),
  metric_id: id,
  name: "Tried by the TypeScript client",
};
const path = { id };

await client.DELETE("/api/v1/metrics/{id}", { params: { path } });
const made = await client.POST("/api/v1/metrics", { body: metric });
assert.equal(made.response.status, 201, JSON.stringify(made.error));
assert.equal(made.data?.data.metric_id, id);
const twice = await client.POST("/api/v1/metrics", { body: metric });
assert.equal(twice.response.status, 409);

const found = await client.GET("/api/v1/metrics/{id}", { params: { path } });
assert.equal(found.data?.data.name, metric.name);
const tag = found.response.headers.get("etag") ?? "";
const listed = await client.GET("/api/v1/metrics", { params: { query: { limit: 100 } } });
assert.ok(listed.data?.data.some((one) => one.metric_id === id));

const stale = await client.PATCH("/api/v1/metrics/{id}", {
  params: { path, header: { "If-Match": '"999999"' } },
  body: { description: "Never written." },
});
assert.equal(stale.response.status, 412);
const changed = await client.PATCH("/api/v1/metrics/{id}", {
  params: { path, header: { "If-Match": tag } },
  body: { description: "Changed by the TypeScript client." },
});
assert.equal(changed.response.status, 200, JSON.stringify(changed.error));
const revisions = await client.GET("/api/v1/metrics/{id}/history", { params: { path } });
assert.ok(revisions.data?.data[0].fields_changed.includes("description"));

const removed = await client.DELETE("/api/v1/metrics/{id}", { params: { path } });
assert.equal(removed.response.status, 200, JSON.stringify(removed.error));
const gone = await client.GET("/api/v1/metrics/{id}", { params: { path } });
assert.equal(gone.response.status, 404);
assert.equal(gone.error?.success, false);
console.log("the TypeScript client made, read, changed and removed a definition");
