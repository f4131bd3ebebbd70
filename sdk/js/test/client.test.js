import assert from "node:assert/strict";
import { createServer } from "node:http";
import { inspect } from "node:util";
import { after, test } from "node:test";
import { Feiqian, FeiqianError, NoAnswerError, parsePaymentCode } from "@feiqian/sdk";

/** @typedef {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void} Handler */

const key = "sk_sandbox_0123456789";
/** @type {import("node:http").Server[]} */
const servers = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/**
 * A server that answers by a list, and a client of it that does not wait.
 * @param {Handler[]} answers
 * @param {import("@feiqian/sdk").Options} [options]
 */
async function troubled(answers, options) {
  /** @type {{keys: (string | undefined)[], urls: string[], bodies: string[]}} */
  const seen = { keys: [], urls: [], bodies: [] };
  const server = createServer((request, response) => {
    const answer = answers[Math.min(seen.urls.length, answers.length - 1)];
    seen.keys.push(/** @type {string | undefined} */ (request.headers["idempotency-key"]));
    seen.urls.push(request.url ?? "");
    let body = "";
    request.on("data", (/** @type {Buffer} */ part) => (body += part.toString()));
    request.on("end", () => {
      seen.bodies.push(body);
      answer?.(request, response);
    });
  });
  servers.push(server);
  await new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      resolve(undefined);
    }),
  );
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const feiqian = new Feiqian(key, { baseUrl: `http://127.0.0.1:${port}`, backoff: () => 0, ...options });
  return { feiqian, seen };
}

/** @type {(status: number, body: unknown, headers?: Record<string, string>) => Handler} */
const say = (status, body, headers) => (_, response) => {
  response.writeHead(status, headers).end(JSON.stringify(body));
};
/** @type {(status: number, code: string, retryable: boolean, headers?: Record<string, string>) => Handler} */
const problem = (status, code, retryable, headers) =>
  say(
    status,
    { code, status, title: "t", detail: "d", param: "amount", request_id: "req_1", retryable },
    headers,
  );
/** @type {Handler} */
const drop = (request) => void request.socket.destroy();
const paid = say(201, { id: "pay_1", state: "succeeded" });
const order = { amount: 1, currency: "CNY" };

for (const [name, trouble] of /** @type {[string, Handler][]} */ ([
  ["a lost answer", drop],
  ["a gateway", (_, response) => response.writeHead(502).end("<html>")],
  ["a full queue", problem(503, "commit.queue_full", true)],
  ["a fault inside", problem(500, "internal", false)],
])) {
  test(`sends again after ${name}, with the same key`, async () => {
    const { feiqian, seen } = await troubled([trouble, trouble, paid]);
    assert.equal((await feiqian.payments.create(order)).id, "pay_1");
    assert.equal(seen.keys.length, 3);
    assert.equal(new Set(seen.keys).size, 1);
    assert.equal(seen.keys[0]?.length, 36);
    assert.equal(seen.bodies[2], JSON.stringify(order));
  });
}

test("does not send again what is refused", async () => {
  const { feiqian, seen } = await troubled([problem(400, "money.not_positive", false)]);
  await assert.rejects(
    feiqian.payments.create(order, { idempotencyKey: "order-1", dryRun: true }),
    (error) =>
      error instanceof FeiqianError &&
      error.code === "money.not_positive" &&
      error.param === "amount" &&
      error.requestId === "req_1" &&
      !error.retryable &&
      error.idempotencyKey === "order-1",
  );
  assert.deepEqual([seen.urls, seen.keys], [["/v1/payments?dry_run=true"], ["order-1"]]);
});

test("gives up and says with which key", async () => {
  const { feiqian, seen } = await troubled([drop]);
  await assert.rejects(
    feiqian.payments.void("pay_1"),
    (error) => error instanceof NoAnswerError && error.idempotencyKey === seen.keys[0],
  );
  assert.equal(seen.urls.length, 4);
});

test("waits as long as the server asks, and not for ever", async () => {
  const busy = (/** @type {string} */ wait) =>
    problem(503, "commit.queue_full", true, { "Retry-After": wait });
  const first = await troubled([busy("1"), paid]);
  const before = Date.now();
  await first.feiqian.payments.create(order);
  assert.ok(Date.now() - before >= 990);
  const second = await troubled([busy("3600"), paid]);
  await assert.rejects(
    second.feiqian.payments.create(order),
    (error) => error instanceof FeiqianError && error.retryAfter === 3_600_000,
  );
  assert.equal(second.seen.urls.length, 1);
  const third = await troubled([busy("30"), paid]);
  await assert.rejects(
    third.feiqian.payments.create(order, { signal: AbortSignal.timeout(50) }),
    (error) => error instanceof FeiqianError && error.code === "commit.queue_full",
  );
});

test("ends a try that hangs and sends again", async () => {
  const { feiqian, seen } = await troubled([() => undefined, paid], { timeout: 50 });
  await feiqian.payments.create(order);
  assert.equal(seen.urls.length, 2);
});

test("keeps the key to itself", async () => {
  const { feiqian } = await troubled([say(307, {}, { Location: "https://evil.example/" })]);
  await assert.rejects(
    feiqian.payments.create(order),
    (error) => error instanceof FeiqianError && error.code === "http.307" && !inspect(error).includes(key),
  );
  assert.ok(!inspect(feiqian, { depth: 9, showHidden: true }).includes(key));
  for (const baseUrl of ["http://pay.example.com", "ftp://localhost", "https://u:p@x.y", "https://x.y?a=b"]) {
    assert.throws(() => new Feiqian(key, { baseUrl }), TypeError, baseUrl);
  }
  for (const wrong of ["", "pk_1", "sk_1\r\nX: y"]) assert.throws(() => new Feiqian(wrong), TypeError);
});

test("goes through pages", async () => {
  const { feiqian, seen } = await troubled([
    say(200, { data: [{ id: "pay_1" }, { id: "pay_2" }], has_more: true, next_cursor: "c=1" }),
    say(200, { data: [{ id: "pay_3" }], has_more: false }),
  ]);
  const ids = [];
  for await (const payment of feiqian.payments.all({ state: "succeeded" })) ids.push(payment.id);
  assert.deepEqual(ids, ["pay_1", "pay_2", "pay_3"]);
  assert.deepEqual(seen.urls, ["/v1/payments?state=succeeded", "/v1/payments?state=succeeded&cursor=c%3D1"]);
  await assert.rejects(async () => feiqian.payments.retrieve(""), TypeError);
  await assert.rejects(async () => feiqian.payments.retrieve(".."), TypeError);
});

test("follows events over trouble and loses none", async () => {
  /** @type {(cursor: string, more: boolean, ...ids: string[]) => Handler} */
  const page = (cursor, more, ...ids) =>
    say(200, { data: ids.map((id) => ({ id })), has_more: more, next_cursor: cursor });
  const { feiqian, seen } = await troubled([
    page("a", true, "evt_1", "evt_2"),
    page("b", false, "evt_3"),
    problem(403, "auth.key_invalid", false),
    page("c", false, "evt_4"),
  ]);
  const ids = [];
  let troubles = 0;
  for await (const { data, next_cursor } of feiqian.events.follow({ onTrouble: () => troubles++ })) {
    ids.push(...(data ?? []).map(({ id }) => id));
    if (next_cursor === "c") break;
  }
  assert.deepEqual(ids, ["evt_1", "evt_2", "evt_3", "evt_4"]);
  assert.equal(troubles, 1);
  assert.deepEqual(
    seen.urls.map((url) => new URL(url, "http://x").searchParams.get("cursor")),
    [null, "a", "b", "b"],
  );
});

test("reads payment codes", () => {
  assert.equal(parsePaymentCode(" 9500 0000 0000 0457 8358 9618\n"), "950000000000045783589618");
  for (const wrong of ["", "950000000000045783589619", "6901234567892", "850000000000045783589618"]) {
    assert.equal(parsePaymentCode(wrong), undefined);
  }
});
